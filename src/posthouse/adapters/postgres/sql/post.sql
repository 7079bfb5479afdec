-- Put deliveries into the outbox and wake their lanes; the outbound half of settle.sql, for jobs.
--   locks   outbound lanes by (kind, bot, lane)
--   rows    none
WITH mail AS (
    INSERT INTO outbox (bot_id, chat_id, priority, method, payload, when_uncertain, handle, cause, trace)
    SELECT o.bot_id, o.chat_id, o.priority, o.method, o.payload, o.when_uncertain, o.handle, o.cause, o.trace
      FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bytea[], $6::text[], $7::text[],
                  $8::bigint[], $9::text[])
           WITH ORDINALITY AS o (bot_id, chat_id, priority, method, payload, when_uncertain, handle, cause, trace, nth)
     ORDER BY o.nth
    RETURNING bot_id, chat_id, priority
)
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
