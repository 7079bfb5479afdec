-- Dead letters, by id; only open ones unless a state is asked for. $1 bot, $2 lane, $3 state (dead, replayed,
-- discarded), $4 id (all NULL = any), $5 after, $6 limit, $7 payloads, $8 queue, $9 kind, $10 reason
--   locks   none
SELECT id, kind, COALESCE(closed_as, 'dead') AS state, bot_id, lane_key AS lane, what, attempts,
       extract(epoch FROM died_at)::float8 AS at, NULL::float8 AS due_at, error, reason, trace, queue,
       CASE WHEN $7::boolean THEN payload END AS payload
  FROM dead_letter
 WHERE ($1::bigint IS NULL OR bot_id = $1)
   AND ($2::bigint IS NULL OR lane_key = $2)
   AND CASE WHEN $4::bigint IS NOT NULL THEN true
            WHEN $3::text IS NULL OR $3 = 'dead' THEN closed_at IS NULL ELSE closed_as = $3 END
   AND ($4::bigint IS NULL OR id = $4)
   AND ($5::bigint IS NULL OR id > $5)
   AND ($8::text IS NULL OR queue = $8)
   AND ($9::text IS NULL OR kind = $9)
   AND ($10::text IS NULL OR reason = $10)
 ORDER BY id
 LIMIT $6
