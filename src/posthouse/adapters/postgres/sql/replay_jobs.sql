-- Queue dead jobs again, as new jobs with all their attempts; one whose unique key is live stays dead.
--   locks   dead letters SKIP LOCKED, unique keys
--   rows    ids of the dead letters that moved
WITH chosen AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('job', 'id')) AS job_id, d.* FROM dead_letter d
     WHERE kind = 'job' AND closed_at IS NULL AND id = ANY ($1::bigint[])
     ORDER BY id FOR UPDATE SKIP LOCKED
), put AS (
    INSERT INTO job (id, queue, task, args, priority, due_at, attempts_max, unique_key, bot_id, lane_key, notify, data,
                     trace)
    SELECT job_id, queue, what, payload, (detail->>'priority')::smallint, clock_timestamp(),
           (detail->>'attempts_max')::integer, detail->>'unique_key', bot_id, lane_key, (detail->>'notify')::boolean,
           data, trace
      FROM chosen ORDER BY id
    ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id
)
UPDATE dead_letter d SET closed_at = now(), closed_as = 'replayed'
  FROM chosen c JOIN put ON put.id = c.job_id
 WHERE d.id = c.id
RETURNING d.id
