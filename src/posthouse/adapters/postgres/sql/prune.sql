-- Forget old rows, at most $4 of each kind. $1 seconds for update ids, firings and recorded calls, $2 for closed dead
-- letters, $3 for message handles.
--   locks   the rows, SKIP LOCKED
--   rows    always one: how many went. The newest firing of each schedule stays: it says where to go on.
WITH old_seen AS MATERIALIZED (
    SELECT bot_id, update_id FROM seen WHERE seen_at < now() - $1::float8 * interval '1 second'
     ORDER BY seen_at LIMIT $4 FOR UPDATE SKIP LOCKED
), no_seen AS (
    DELETE FROM seen s USING old_seen o WHERE s.bot_id = o.bot_id AND s.update_id = o.update_id RETURNING 1
), old_dead AS MATERIALIZED (
    SELECT id FROM dead_letter WHERE closed_at < now() - $2::float8 * interval '1 second'
     ORDER BY closed_at LIMIT $4 FOR UPDATE SKIP LOCKED
), no_dead AS (
    DELETE FROM dead_letter d USING old_dead o WHERE d.id = o.id RETURNING 1
), old_handle AS MATERIALIZED (
    SELECT bot_id, chat_id, handle FROM message_handle WHERE sent_at < now() - $3::float8 * interval '1 second'
     ORDER BY sent_at LIMIT $4 FOR UPDATE SKIP LOCKED
), no_handle AS (
    DELETE FROM message_handle m USING old_handle o
     WHERE m.bot_id = o.bot_id AND m.chat_id = o.chat_id AND m.handle = o.handle RETURNING 1
), old_fire AS MATERIALIZED (
    SELECT name, fire_at FROM cron_fire c
     WHERE fire_at < now() - $1::float8 * interval '1 second'
       AND EXISTS (SELECT 1 FROM cron_fire n WHERE n.name = c.name AND n.fire_at > c.fire_at)
     LIMIT $4 FOR UPDATE SKIP LOCKED
), no_fire AS (
    DELETE FROM cron_fire c USING old_fire o WHERE c.name = o.name AND c.fire_at = o.fire_at RETURNING 1
), old_call AS MATERIALIZED (
    -- Recorded calls normally go with their entry; these belong to entries that are neither waiting nor buried.
    SELECT r.bot_id, r.lane_key, r.entry_id, r.ordinal FROM call_record r
     WHERE r.begun_at < now() - $1::float8 * interval '1 second'
       AND NOT EXISTS (SELECT 1 FROM inbox i
                        WHERE i.bot_id = r.bot_id AND i.lane_key = r.lane_key AND i.entry_id = r.entry_id)
       AND NOT EXISTS (SELECT 1 FROM dead_letter d
                        WHERE d.closed_at IS NULL AND d.kind = 'entry'
                          AND d.bot_id = r.bot_id AND d.lane_key = r.lane_key AND d.item_id = r.entry_id)
     LIMIT $4 FOR UPDATE SKIP LOCKED
), no_call AS (
    DELETE FROM call_record r USING old_call o
     WHERE r.bot_id = o.bot_id AND r.lane_key = o.lane_key AND r.entry_id = o.entry_id AND r.ordinal = o.ordinal
    RETURNING 1
)
SELECT (SELECT count(*) FROM no_seen) + (SELECT count(*) FROM no_dead) + (SELECT count(*) FROM no_handle)
     + (SELECT count(*) FROM no_fire) + (SELECT count(*) FROM no_call) AS gone
