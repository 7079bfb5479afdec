-- Set timers; a newer one with the same key replaces the older, a NULL payload cancels it, the last request wins.
--   locks   timers by (bot, lane, key)
--   rows    none
WITH asked AS MATERIALIZED (
    SELECT DISTINCT ON (bot_id, lane_key, key, CASE WHEN key IS NULL THEN nth END) *
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::float8[], $5::bytea[], $6::text[])
           WITH ORDINALITY AS a (bot_id, lane_key, key, delay_s, payload, trace, nth)
     ORDER BY bot_id, lane_key, key, CASE WHEN key IS NULL THEN nth END, nth DESC
), cancelled AS (
    DELETE FROM timer t USING asked a
     WHERE a.payload IS NULL AND t.bot_id = a.bot_id AND t.lane_key = a.lane_key AND t.key = a.key
)
INSERT INTO timer (bot_id, lane_key, key, due_at, payload, trace)
SELECT bot_id, lane_key, key, clock_timestamp() + delay_s * interval '1 second', payload, trace
  FROM asked WHERE payload IS NOT NULL
ON CONFLICT (bot_id, lane_key, key) WHERE key IS NOT NULL
   DO UPDATE SET due_at = EXCLUDED.due_at, payload = EXCLUDED.payload, trace = EXCLUDED.trace
