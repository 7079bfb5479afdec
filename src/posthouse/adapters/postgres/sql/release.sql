-- Give inbound lanes back unworked: due at once, the attempt not counted.
--   locks   lanes by (bot, lane)
--   rows    the lanes released; whoever is missing was lost before
UPDATE lane l
   SET lease = NULL, owner = NULL, attempts = 0, head_id = NULL, carried_to = NULL,
       due_at = CASE WHEN l.pending > 0 THEN clock_timestamp() END
  FROM (SELECT held.kind, held.bot_id, held.lane_key, h.at
          FROM (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
                         WITH ORDINALITY AS u (bot_id, lane_key, lease, at)
                 ORDER BY bot_id, lane_key) h
         CROSS JOIN LATERAL (
               SELECT kind, bot_id, lane_key FROM lane
                WHERE kind = 0 AND bot_id = h.bot_id AND lane_key = h.lane_key AND lease = h.lease
                  FOR UPDATE) held) k
 WHERE l.kind = k.kind AND l.bot_id = k.bot_id AND l.lane_key = k.lane_key
RETURNING k.at
