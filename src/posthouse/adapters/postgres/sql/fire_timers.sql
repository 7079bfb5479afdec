-- Move up to $1 due timers into their lanes. $2 is the floor of event ids: entry id = floor + 2 * timer id + 1.
--   locks   timers SKIP LOCKED, then inbound lanes by (bot, lane)
--   rows    always one: how many were moved, seconds until the next (0 = now, NULL = none waits)
WITH due AS MATERIALIZED (
    SELECT id FROM timer WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
), moved AS (
    DELETE FROM timer t USING due WHERE t.id = due.id RETURNING t.id, t.bot_id, t.lane_key, t.payload
), put AS (
    INSERT INTO inbox (bot_id, lane_key, entry_id, payload)
    SELECT bot_id, lane_key, $2::bigint + 2 * id + 1, payload FROM moved ORDER BY bot_id, lane_key, id
    ON CONFLICT DO NOTHING
    RETURNING bot_id, lane_key
), woken AS (
    INSERT INTO lane AS l (kind, bot_id, lane_key, pending, due_at)
    SELECT 0, bot_id, lane_key, count(*), clock_timestamp()
      FROM put GROUP BY bot_id, lane_key ORDER BY bot_id, lane_key
    ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
       SET pending = l.pending + EXCLUDED.pending, due_at = COALESCE(l.due_at, EXCLUDED.due_at)
)
SELECT (SELECT count(*) FROM due)::integer AS fired,
       CASE WHEN (SELECT count(*) FROM due) = $1 THEN 0
            ELSE (SELECT extract(epoch FROM t.due_at - now())::float8 FROM timer t
                   WHERE t.due_at > now() ORDER BY t.due_at LIMIT 1) END AS next_s
