-- End jobs: finished ones leave, failed ones come back after $3 seconds (NULL = not again; $6 whether
-- the attempt counts), dead ones are buried.
--   locks   jobs by id
-- A try that was to be repeated, of a job cancelled meanwhile, is the job's end.
--   rows    `at` of every settlement that holds its lease, and whether its job was cancelled; the missing lost it
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::float8[], $4::text[], $5::text[], $6::boolean[])
           WITH ORDINALITY AS a (id, token, delay_s, reason, error, counted, at)
), held AS MATERIALIZED (
    SELECT a.*, j.cancelled FROM asked a JOIN job j ON j.id = a.id AND j.lease = a.token
     ORDER BY j.id FOR UPDATE OF j
), gone AS (
    DELETE FROM job j USING held h WHERE j.id = h.id AND h.reason IS NULL AND (h.delay_s IS NULL OR h.cancelled)
), dug AS (
    DELETE FROM job j USING held h WHERE j.id = h.id AND h.reason IS NOT NULL
    RETURNING j.*, h.reason, h.error
), buried AS (
    INSERT INTO dead_letter (kind, bot_id, lane_key, item_id, what, queue, payload, data, detail, attempts, error, reason,
                             trace)
    SELECT 'job', bot_id, lane_key, id, task, queue, args, data,
           jsonb_build_object('priority', priority, 'attempts_max', attempts_max, 'unique_key', unique_key,
                              'notify', notify),
           attempts, error, reason, trace
      FROM dug
), back AS (
    UPDATE job j SET lease = NULL, owner = NULL, expires_at = NULL,
                     attempts = j.attempts - (NOT h.counted)::integer,
                     due_at = clock_timestamp() + h.delay_s * interval '1 second'
      FROM held h WHERE j.id = h.id AND h.delay_s IS NOT NULL AND h.reason IS NULL AND NOT h.cancelled
)
SELECT at, cancelled FROM held
