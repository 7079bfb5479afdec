-- Queue the jobs of schedule firings, each once over all processes: the primary key of cron_fire elects one.
--   locks   cron_fire by (name, fire_at)
--   rows    `at` of the firings that this call won
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::bytea[], $6::smallint[], $7::float8[],
                         $8::integer[], $9::text[], $10::bigint[], $11::bigint[], $12::boolean[], $13::bytea[], $14::text[])
           WITH ORDINALITY AS a (name, fire_at, queue, task, args, priority, delay_s, attempts_max, unique_key, bot_id,
                                 lane_key, notify, data, trace, at)
), fired AS (
    INSERT INTO cron_fire (name, fire_at)
    SELECT name, to_timestamp(fire_at) FROM asked ORDER BY name, fire_at
    ON CONFLICT DO NOTHING
    RETURNING name, fire_at
), won AS MATERIALIZED (
    SELECT DISTINCT ON (a.name, f.fire_at) a.*
      FROM fired f JOIN asked a ON a.name = f.name AND to_timestamp(a.fire_at) = f.fire_at
     ORDER BY a.name, f.fire_at, a.at
), put AS (
    INSERT INTO job (queue, task, args, priority, due_at, attempts_max, unique_key, bot_id, lane_key, notify, data, trace)
    SELECT queue, task, args, priority, clock_timestamp() + delay_s * interval '1 second', attempts_max, unique_key,
           bot_id, lane_key, notify, data, trace
      FROM won ORDER BY at
    ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
)
SELECT at FROM won
