-- Keep inbound leases for another $4 seconds.
--   locks   lanes by (bot, lane)
--   rows    the leases that are still held; whoever is missing was lost
UPDATE lane l
   SET due_at = clock_timestamp() + $4::float8 * interval '1 second'
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
