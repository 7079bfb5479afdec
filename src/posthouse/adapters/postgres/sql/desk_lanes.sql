-- Inbound lanes that are held or backing off, by key. $1 bot, $2 lane, $3 state (held, waiting) (all NULL = any),
-- $5 after (a lane key), $6 limit, $8 reason
--   locks   none
SELECT lane_key AS id, 'lane' AS kind, CASE WHEN hold_reason IS NULL THEN 'waiting' ELSE 'held' END AS state,
       bot_id, lane_key AS lane, pending || ' pending' AS what,
       COALESCE((SELECT i.tries FROM inbox i WHERE i.bot_id = lane.bot_id AND i.lane_key = lane.lane_key
                  ORDER BY i.entry_id LIMIT 1), 0) AS attempts,
       COALESCE(extract(epoch FROM idle_at)::float8, 0) AS at,
       extract(epoch FROM NULLIF(due_at, 'infinity'))::float8 AS due_at, '' AS error,
       COALESCE(hold_reason, '') AS reason, '' AS trace, '' AS queue, NULL::bytea AS payload
  FROM lane
 WHERE kind = 0 AND due_at > now() AND lease IS NULL
   AND ($1::bigint IS NULL OR bot_id = $1)
   AND ($2::bigint IS NULL OR lane_key = $2)
   AND ($3::text IS NULL OR $3 = CASE WHEN hold_reason IS NULL THEN 'waiting' ELSE 'held' END)
   AND ($4::bigint IS NULL OR lane_key = $4)
   AND ($5::bigint IS NULL OR lane_key > $5)
   AND ($7::boolean IS NOT NULL)
   AND ($8::text IS NULL OR hold_reason = $8)
 ORDER BY lane_key, bot_id
 LIMIT $6
