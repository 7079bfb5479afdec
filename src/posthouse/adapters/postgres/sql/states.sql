-- Write pieces of chat state, unfenced; the last write of a piece wins, NULL deletes.
--   locks   state rows by (bot, lane, name)
--   rows    none
WITH written AS MATERIALIZED (
    SELECT DISTINCT ON (bot_id, lane_key, name) bot_id, lane_key, name, data
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[])
           WITH ORDINALITY AS w (bot_id, lane_key, name, data, nth)
     ORDER BY bot_id, lane_key, name, nth DESC
), erased AS (
    DELETE FROM chat_state c USING written w
     WHERE w.data IS NULL AND c.bot_id = w.bot_id AND c.lane_key = w.lane_key AND c.name = w.name
)
INSERT INTO chat_state AS c (bot_id, lane_key, name, data)
SELECT bot_id, lane_key, name, data FROM written WHERE data IS NOT NULL
ON CONFLICT (bot_id, lane_key, name) DO UPDATE SET data = EXCLUDED.data, version = c.version + 1
