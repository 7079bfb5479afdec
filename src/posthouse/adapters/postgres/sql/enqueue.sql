-- Queue jobs.
--   locks   nothing but the unique keys, while another transaction inserts the same one
--   rows    `at` and id of each job that was queued; whoever is missing has a unique key that is still live
-- The id is drawn first so that it can be matched with the request.
WITH asked AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('job', 'id')) AS id, a.*
      FROM unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::float8[], $6::integer[], $7::text[],
                  $8::bigint[], $9::bigint[], $10::boolean[], $11::bytea[], $12::text[])
           WITH ORDINALITY AS a (queue, task, args, priority, delay_s, attempts_max, unique_key, bot_id, lane_key,
                                 notify, data, trace, at)
), put AS (
    INSERT INTO job (id, queue, task, args, priority, due_at, attempts_max, unique_key, bot_id, lane_key, notify, data,
                     trace)
    SELECT id, queue, task, args, priority, clock_timestamp() + delay_s * interval '1 second', attempts_max, unique_key,
           bot_id, lane_key, notify, data, trace
      FROM asked ORDER BY at
    ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id
)
SELECT a.at, a.id FROM put JOIN asked a USING (id)
