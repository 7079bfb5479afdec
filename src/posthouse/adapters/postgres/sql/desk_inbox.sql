-- Waiting entries for an operator, by id. $1 bot, $2 lane, $3 state, $4 id (all NULL = any), $5 after, $6 limit, $7 payloads
--   locks   none
SELECT i.entry_id AS id, 'entry' AS kind,
       CASE WHEN l.lease IS NOT NULL THEN 'leased' WHEN l.hold_reason IS NOT NULL THEN 'held' ELSE 'waiting' END AS state,
       i.bot_id, i.lane_key AS lane, CASE WHEN i.entry_id >= 0 THEN 'update' ELSE 'event' END AS what,
       CASE WHEN l.head_id = i.entry_id THEN l.attempts ELSE i.tries END AS attempts,
       extract(epoch FROM i.received_at)::float8 AS at,
       extract(epoch FROM NULLIF(l.due_at, 'infinity'))::float8 AS due_at,
       '' AS error, COALESCE(l.hold_reason, '') AS reason, i.bot_id || ':' || i.entry_id AS trace, '' AS queue,
       CASE WHEN $7::boolean THEN i.payload END AS payload
  FROM inbox i
  LEFT JOIN lane l ON l.kind = 0 AND l.bot_id = i.bot_id AND l.lane_key = i.lane_key
 WHERE ($1::bigint IS NULL OR i.bot_id = $1)
   AND ($2::bigint IS NULL OR i.lane_key = $2)
   AND ($3::text IS NULL OR $3 = CASE WHEN l.lease IS NOT NULL THEN 'leased' WHEN l.hold_reason IS NOT NULL THEN 'held'
                                      ELSE 'waiting' END)
   AND ($4::bigint IS NULL OR i.entry_id = $4)
   AND ($5::bigint IS NULL OR i.entry_id > $5)
 ORDER BY i.entry_id, i.bot_id
 LIMIT $6
