-- Commit many turns at once: fence, remove entries, bury, write state and deliveries, wake outbound lanes, release.
--   locks   inbound lanes by (bot, lane), state rows by (bot, lane, name), outbound lanes by (kind, bot, lane)
--   rows    `at` of every settlement that was written (1-based place in the batch)
--   missing the lease was lost, or the entries were gone: a settlement that already happened (its answer was lost on
--           the way) must not write its effects again, so those count only when every entry was still there
-- The try that the lane counts for its head is written to the entry ($33[at]) only when that is to be tried again.
-- clock_timestamp(), not now(): the transaction may have begun before a claim that has since committed.
-- A lane is always reached by its whole key, one after the other: a lateral lookup, and a `kind` that the planner cannot
-- see through. Given `kind = 0` it walks over all inbound lanes as long as it has not counted them.
-- What belongs to a settlement names it by its place `at`, an index into the arrays $1 to $7. Whether that one holds is
-- asked with `(… IN (SELECT …)) IS TRUE`, a hashed lookup: joins between batches would be nested loops (database.py).
WITH held AS MATERIALIZED (
    SELECT a.at, l.head_id, l.attempts
      FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
                     WITH ORDINALITY AS u (bot_id, lane_key, token, at)
             ORDER BY bot_id, lane_key) a
     CROSS JOIN LATERAL (
           SELECT head_id, attempts FROM lane
            WHERE kind = 0 AND bot_id = a.bot_id AND lane_key = a.lane_key AND lease = a.token
              FOR UPDATE) l
), gone AS (
    DELETE FROM inbox i
     USING unnest($9::integer[], $10::bigint[]) AS d (at, entry_id)
     WHERE i.bot_id = ($1::bigint[])[d.at] AND i.lane_key = ($2::bigint[])[d.at] AND i.entry_id = d.entry_id
       AND (d.at IN (SELECT at FROM held)) IS TRUE
    RETURNING d.at
), dug AS (
    DELETE FROM inbox i
     USING unnest($11::integer[], $12::bigint[], $13::text[], $14::text[], $15::integer[])
           AS b (at, entry_id, error, reason, attempts)
     WHERE i.bot_id = ($1::bigint[])[b.at] AND i.lane_key = ($2::bigint[])[b.at] AND i.entry_id = b.entry_id
       AND (b.at IN (SELECT at FROM held)) IS TRUE
    RETURNING b.at, i.bot_id, i.lane_key, i.entry_id, i.payload, b.attempts, b.error, b.reason
), buried AS (
    INSERT INTO dead_letter (kind, bot_id, lane_key, item_id, payload, attempts, error, reason, trace)
    SELECT 'entry', bot_id, lane_key, entry_id, payload, attempts, error, reason, bot_id || ':' || entry_id FROM dug
), tally AS MATERIALIZED (
    SELECT 0::smallint AS kind, x.at, sum(x.n)::integer AS left_n, sum(x.n) = ($4::integer[])[x.at] AS whole,
           ($5::float8[])[x.at] AS delay_s, ($6::text[])[x.at] AS hold,
           ($7::boolean[])[x.at] AND sum(x.n) = ($4::integer[])[x.at] AS stays
      FROM (SELECT at, 0 AS n FROM held UNION ALL SELECT at, 1 FROM gone UNION ALL SELECT at, 1 FROM dug) x
     GROUP BY x.at
), freed AS (
    UPDATE lane l
       SET pending  = l.pending - t.left_n,
           attempts = CASE WHEN NOT t.stays THEN 0
                           WHEN l.head_id = ($33::bigint[])[t.at] THEN l.attempts ELSE 1 END,
           head_id  = CASE WHEN t.stays THEN ($33::bigint[])[t.at] END,
           carried_to = CASE WHEN t.stays THEN l.carried_to END,
           lease    = CASE WHEN t.stays THEN l.lease END,
           owner    = CASE WHEN t.stays THEN l.owner END,
           due_at   = CASE WHEN t.stays THEN clock_timestamp() + $8::float8 * interval '1 second'
                           WHEN l.pending = t.left_n THEN NULL
                           WHEN t.hold IS NOT NULL THEN 'infinity'
                           ELSE clock_timestamp() + t.delay_s * interval '1 second' END,
           hold_reason = CASE WHEN l.pending > t.left_n THEN t.hold END,
           idle_at  = clock_timestamp()
      FROM tally t
     WHERE l.kind = t.kind AND l.bot_id = ($1::bigint[])[t.at] AND l.lane_key = ($2::bigint[])[t.at]
    RETURNING t.at, t.whole
), stained AS (
    UPDATE inbox i SET tries = CASE WHEN i.entry_id = h.head_id THEN h.attempts ELSE GREATEST(i.tries, 1) END
      FROM held h
     WHERE i.bot_id = ($1::bigint[])[h.at] AND i.lane_key = ($2::bigint[])[h.at] AND i.entry_id = ($33::bigint[])[h.at]
       AND NOT ($7::boolean[])[h.at]
       AND (i.entry_id = h.head_id OR ($5::float8[])[h.at] > 0 OR ($6::text[])[h.at] IS NOT NULL)
), forgotten AS (
    DELETE FROM call_record r
     USING unnest($16::integer[], $17::bigint[]) AS j (at, entry_id)
     WHERE r.bot_id = ($1::bigint[])[j.at] AND r.lane_key = ($2::bigint[])[j.at] AND r.entry_id = j.entry_id
       AND (j.at IN (SELECT at FROM freed WHERE whole)) IS TRUE
), written AS MATERIALIZED (
    SELECT DISTINCT ON (w.bot_id, w.lane_key, w.name) w.bot_id, w.lane_key, w.name, w.data
      FROM unnest($18::integer[], $19::bigint[], $20::bigint[], $21::text[], $22::bytea[])
           WITH ORDINALITY AS w (at, bot_id, lane_key, name, data, nth)
     WHERE (w.at IN (SELECT at FROM freed WHERE whole)) IS TRUE
     ORDER BY w.bot_id, w.lane_key, w.name, w.nth DESC
), erased AS (
    DELETE FROM chat_state c USING written w
     WHERE w.data IS NULL AND c.bot_id = w.bot_id AND c.lane_key = w.lane_key AND c.name = w.name
), kept AS (
    INSERT INTO chat_state AS c (bot_id, lane_key, name, data)
    SELECT bot_id, lane_key, name, data FROM written WHERE data IS NOT NULL
    ON CONFLICT (bot_id, lane_key, name) DO UPDATE SET data = EXCLUDED.data, version = c.version + 1
), mail AS (
    INSERT INTO outbox (bot_id, chat_id, priority, method, payload, when_uncertain, handle, cause, trace)
    SELECT o.bot_id, o.chat_id, o.priority, o.method, o.payload, o.when_uncertain, o.handle, o.cause, o.trace
      FROM unnest($23::integer[], $24::bigint[], $25::bigint[], $26::smallint[], $27::text[], $28::bytea[],
                  $29::text[], $30::text[], $31::bigint[], $32::text[])
           WITH ORDINALITY AS o (at, bot_id, chat_id, priority, method, payload, when_uncertain, handle, cause, trace, nth)
     WHERE (o.at IN (SELECT at FROM freed WHERE whole)) IS TRUE
     ORDER BY o.nth
    RETURNING bot_id, chat_id, priority
), posted AS (
    INSERT INTO lane AS l (kind, bot_id, lane_key, pending, replies, notices, broadcasts, prio, due_at)
    SELECT CASE WHEN priority = 0 THEN 3 ELSE 1 END, bot_id, chat_id, count(*),
           count(*) FILTER (WHERE priority = 1), count(*) FILTER (WHERE priority = 2),
           count(*) FILTER (WHERE priority = 3), min(priority), clock_timestamp()
      FROM mail GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
       SET pending    = l.pending + EXCLUDED.pending,
           replies    = l.replies + EXCLUDED.replies,
           notices    = l.notices + EXCLUDED.notices,
           broadcasts = l.broadcasts + EXCLUDED.broadcasts,
           prio       = CASE WHEN l.pending = 0 THEN EXCLUDED.prio ELSE LEAST(l.prio, EXCLUDED.prio) END,
           due_at     = COALESCE(l.due_at, GREATEST(EXCLUDED.due_at, l.not_before))
)
SELECT at FROM freed WHERE whole
