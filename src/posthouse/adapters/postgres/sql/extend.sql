-- Keep inbound leases for another $4 seconds.
--   locks   lanes by (bot, lane)
--   rows    the leases that are still held; whoever is missing was lost
UPDATE lane l
   SET due_at = clock_timestamp() + $4::float8 * interval '1 second'
  FROM (SELECT l.bot_id, l.lane_key, h.at
          FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS h (bot_id, lane_key, lease, at)
          JOIN lane l ON l.kind = 0 AND l.bot_id = h.bot_id AND l.lane_key = h.lane_key AND l.lease = h.lease
         ORDER BY l.bot_id, l.lane_key
           FOR UPDATE OF l) k
 WHERE l.kind = 0 AND l.bot_id = k.bot_id AND l.lane_key = k.lane_key
RETURNING k.at
