-- Forget sessions that ended or expired $1 seconds ago, looking at $3 rows behind id $2; and $3 lines of older history.
--   locks   session rows, SKIP LOCKED
--   rows    always one: how many sessions and lines went; the last id; how many sessions were looked at
-- Walks the primary keys instead of having indexes over moments: each move of a session would pay for those.
WITH page AS MATERIALIZED (
    SELECT id, is_active, updated_at, expires_at FROM sessions WHERE id > $2 ORDER BY id LIMIT $3
), gone AS MATERIALIZED (
    SELECT s.id FROM sessions s JOIN page p ON p.id = s.id
     WHERE (NOT p.is_active AND p.updated_at < now() - $1::float8 * interval '1 second')
        OR (p.expires_at IS NOT NULL AND p.expires_at < now() - $1::float8 * interval '1 second')
       FOR UPDATE OF s SKIP LOCKED
), no_journal AS (
    DELETE FROM session_journal j USING gone g WHERE j.session_id = g.id
), no_session AS (
    DELETE FROM sessions s USING gone g WHERE s.id = g.id RETURNING 1
), no_history AS (
    DELETE FROM session_event
     WHERE at < now() - $1::float8 * interval '1 second'
       AND id IN (SELECT id FROM session_event ORDER BY id LIMIT $3)
    RETURNING 1
)
SELECT (SELECT count(*) FROM no_session) + (SELECT count(*) FROM no_history) AS gone,
       (SELECT max(id) FROM page) AS last_id, (SELECT count(*) FROM page) AS looked
