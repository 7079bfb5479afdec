-- Live jobs, by id. $1 bot, $2 lane, $3 state, $4 id (all NULL = any), $5 after, $6 limit, $7 payloads, $8 queue
--   locks   none
SELECT id, 'job' AS kind, CASE WHEN lease IS NULL THEN 'waiting' ELSE 'running' END AS state, bot_id, lane_key AS lane,
       task AS what, attempts, extract(epoch FROM created_at)::float8 AS at, extract(epoch FROM due_at)::float8 AS due_at,
       '' AS error, CASE WHEN cancelled THEN 'cancelled' ELSE '' END AS reason, trace, queue,
       CASE WHEN $7::boolean THEN args END AS payload
  FROM job
 WHERE ($1::bigint IS NULL OR bot_id = $1)
   AND ($2::bigint IS NULL OR lane_key = $2)
   AND ($3::text IS NULL OR $3 = CASE WHEN lease IS NULL THEN 'waiting' ELSE 'running' END)
   AND ($4::bigint IS NULL OR id = $4)
   AND ($5::bigint IS NULL OR id > $5)
   AND ($8::text IS NULL OR queue = $8)
 ORDER BY id
 LIMIT $6
