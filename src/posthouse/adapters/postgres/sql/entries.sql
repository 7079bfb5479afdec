-- Put events (finished jobs) into their lanes; one that is there already stays as it is.
--   locks   inbound lanes by (bot, lane)
--   rows    none
WITH put AS (
    INSERT INTO inbox (bot_id, lane_key, entry_id, payload)
    SELECT bot_id, lane_key, entry_id, payload
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS e (bot_id, lane_key, entry_id, payload)
     ORDER BY bot_id, lane_key, entry_id
    ON CONFLICT DO NOTHING
    RETURNING bot_id, lane_key
)
INSERT INTO lane AS l (kind, bot_id, lane_key, pending, due_at)
SELECT 0, bot_id, lane_key, count(*), clock_timestamp()
  FROM put GROUP BY bot_id, lane_key ORDER BY bot_id, lane_key
ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
   SET pending = l.pending + EXCLUDED.pending, due_at = COALESCE(l.due_at, EXCLUDED.due_at)
