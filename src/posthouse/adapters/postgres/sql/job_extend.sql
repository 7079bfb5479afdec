-- Heartbeat of jobs: another $3 seconds.
--   locks   jobs by id
--   rows    `at` of the leases that are still held, and whether an operator cancelled the job; the missing are lost
UPDATE job j SET expires_at = clock_timestamp() + $3::float8 * interval '1 second'
  FROM (SELECT j.id, h.at
          FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS h (id, lease, at)
          JOIN job j ON j.id = h.id AND j.lease = h.lease
         ORDER BY j.id
           FOR UPDATE OF j) k
 WHERE j.id = k.id
RETURNING k.at, j.cancelled
