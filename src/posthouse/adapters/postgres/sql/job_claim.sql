-- Take due jobs under the token $3 of worker $4 for $5 seconds: up to $2[i] of queue $1[i].
--   locks   jobs, SKIP LOCKED
--   rows    one per job taken
--   empty   nothing is due in these queues, or they are paused
-- Per queue, bands of priority come from a loose index scan, and each band is a range scan that ends at the first
-- job that is not due: neither leased nor far-future jobs cost anything.
WITH picked AS MATERIALIZED (
    SELECT x.id
      FROM unnest($1::text[], $2::integer[]) AS q (queue, n)
     CROSS JOIN LATERAL (
           WITH RECURSIVE band (priority) AS (
               (SELECT priority FROM job WHERE queue = q.queue AND lease IS NULL ORDER BY priority LIMIT 1)
                UNION ALL
               SELECT (SELECT j.priority FROM job j
                        WHERE j.queue = q.queue AND j.lease IS NULL AND j.priority > b.priority
                        ORDER BY j.priority LIMIT 1)
                 FROM band b WHERE b.priority IS NOT NULL
           )
           SELECT y.id FROM band
            CROSS JOIN LATERAL (
                  SELECT id FROM job
                   WHERE queue = q.queue AND priority = band.priority AND lease IS NULL AND due_at <= now()
                     AND NOT cancelled
                   ORDER BY due_at, id
                   LIMIT q.n
                     FOR UPDATE SKIP LOCKED) y
            LIMIT q.n) x
     WHERE NOT EXISTS (SELECT 1 FROM queue_pause p WHERE p.queue = q.queue)
)
UPDATE job j
   SET lease = $3, owner = $4, expires_at = clock_timestamp() + $5::float8 * interval '1 second', attempts = j.attempts + 1
 WHERE j.id = ANY (ARRAY(SELECT id FROM picked))   -- an index scan, whatever the planner thinks of the count
RETURNING j.id, j.queue, j.task, j.args, j.attempts, j.attempts_max, j.bot_id, j.lane_key, j.notify, j.data, j.trace,
          j.priority, j.due_at
