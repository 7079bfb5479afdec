-- Put dead deliveries back: with a new id, so at the back of their chat, their attempts forgotten.
--   locks   dead letters SKIP LOCKED, then outbound lanes by (kind, bot, lane)
--   rows    ids of the dead letters that moved
WITH chosen AS MATERIALIZED (
    SELECT id, bot_id, lane_key, what, payload, detail, trace FROM dead_letter
     WHERE kind = 'delivery' AND closed_at IS NULL AND id = ANY ($1::bigint[])
     ORDER BY id FOR UPDATE SKIP LOCKED
), mail AS (
    INSERT INTO outbox (bot_id, chat_id, priority, method, payload, when_uncertain, handle, cause, trace)
    SELECT bot_id, lane_key, (detail->>'priority')::smallint, what, payload, detail->>'when_uncertain',
           detail->>'handle', (detail->>'cause')::bigint, trace
      FROM chosen ORDER BY id
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
UPDATE dead_letter d SET closed_at = now(), closed_as = 'replayed' FROM chosen c WHERE d.id = c.id RETURNING d.id
