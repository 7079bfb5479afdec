-- Give inbound lanes back unworked: due at once, the attempt not counted.
--   locks   lanes by (bot, lane)
--   rows    the lanes released; whoever is missing was lost before
UPDATE lane l
   SET lease = NULL, owner = NULL, attempts = 0, head_id = NULL, carried_to = NULL,
       due_at = CASE WHEN l.pending > 0 THEN clock_timestamp() END
  FROM (SELECT l.bot_id, l.lane_key, h.at
          FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS h (bot_id, lane_key, lease, at)
          JOIN lane l ON l.kind = 0 AND l.bot_id = h.bot_id AND l.lane_key = h.lane_key AND l.lease = h.lease
         ORDER BY l.bot_id, l.lane_key
           FOR UPDATE OF l) k
 WHERE l.kind = 0 AND l.bot_id = k.bot_id AND l.lane_key = k.lane_key
RETURNING k.at
