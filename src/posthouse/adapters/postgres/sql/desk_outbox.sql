-- Deliveries on their way, by id. $1 bot, $2 chat, $3 state, $4 id (all NULL = any), $5 after, $6 limit, $7 payloads
--   locks   none
SELECT * FROM (
    SELECT o.id, 'delivery' AS kind,
           CASE WHEN l.lease IS NOT NULL AND l.head_id = o.id THEN 'sending' WHEN o.uncertain THEN 'uncertain'
                ELSE 'waiting' END AS state,
           o.bot_id, o.chat_id AS lane, o.method AS what,
           o.attempts + (l.lease IS NOT NULL AND l.head_id = o.id)::integer AS attempts,
           extract(epoch FROM o.created_at)::float8 AS at,
           extract(epoch FROM NULLIF(l.due_at, 'infinity'))::float8 AS due_at,
           '' AS error, '' AS reason, o.trace, '' AS queue,
           CASE WHEN $7::boolean THEN o.payload END AS payload
      FROM outbox o
      LEFT JOIN lane l ON l.kind = CASE WHEN o.priority = 0 THEN 3 ELSE 1 END
                      AND l.bot_id = o.bot_id AND l.lane_key = o.chat_id
     WHERE ($1::bigint IS NULL OR o.bot_id = $1)
       AND ($2::bigint IS NULL OR o.chat_id = $2)
       AND ($4::bigint IS NULL OR o.id = $4)
       AND ($5::bigint IS NULL OR o.id > $5)) d
 WHERE $3::text IS NULL OR state = $3
 ORDER BY id
 LIMIT $6
