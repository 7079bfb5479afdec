-- Lock keyed timers before the lanes of a commit that replaces them: fire_timers.sql locks timers, then lanes, and
-- the same order here is what keeps the two from waiting for each other.
SELECT 1 FROM timer t
  JOIN (SELECT DISTINCT * FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS k (bot_id, lane_key, key)) k
    ON t.bot_id = k.bot_id AND t.lane_key = k.lane_key AND t.key = k.key
 ORDER BY t.id
   FOR UPDATE OF t
