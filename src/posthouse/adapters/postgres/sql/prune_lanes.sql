-- Delete lanes that have been idle for $4 seconds, among the next $5 lanes after the cursor (kind, bot, lane).
--   locks   lanes, SKIP LOCKED; a concurrent ingest simply inserts the lane again
--   rows    always one: how many went, how many were looked at, and the last key of the page (the next cursor)
-- The cursor comes from the page, not from what was deleted: a page of lanes that must stay would end the walk.
WITH page AS MATERIALIZED (
    SELECT kind, bot_id, lane_key, pending, due_at, lease, not_before, tat, idle_at FROM lane
     WHERE (kind, bot_id, lane_key) > ($1::smallint, $2::bigint, $3::bigint)
     ORDER BY kind, bot_id, lane_key LIMIT $5
), idle AS MATERIALIZED (
    SELECT l.kind, l.bot_id, l.lane_key
      FROM page p JOIN lane l ON l.kind = p.kind AND l.bot_id = p.bot_id AND l.lane_key = p.lane_key
     WHERE l.due_at IS NULL AND l.lease IS NULL AND l.pending = 0
       AND COALESCE(l.idle_at, '-infinity') <= now() - $4::float8 * interval '1 second'
       AND COALESCE(GREATEST(l.not_before, l.tat) < now(), true)
       FOR UPDATE OF l SKIP LOCKED
), gone AS (
    DELETE FROM lane l USING idle i
     WHERE l.kind = i.kind AND l.bot_id = i.bot_id AND l.lane_key = i.lane_key
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone)::integer AS gone, (SELECT count(*) FROM page)::integer AS looked,
       l.kind, l.bot_id, l.lane_key
  FROM (VALUES (1)) AS one (n)
  LEFT JOIN (SELECT kind, bot_id, lane_key FROM page ORDER BY kind DESC, bot_id DESC, lane_key DESC LIMIT 1) l ON true
