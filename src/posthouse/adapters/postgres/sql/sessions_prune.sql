-- Forget sessions that ended or expired $1 seconds ago, with journal and history, at most $2 of each kind.
--   locks   session rows, SKIP LOCKED
--   rows    always one: how many sessions, and lines of history that belong to none, went
WITH over AS MATERIALIZED (
    SELECT id FROM sessions
     WHERE NOT is_active AND updated_at < now() - $1::float8 * interval '1 second'
     ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED
), idle AS MATERIALIZED (
    SELECT id FROM sessions
     WHERE expires_at IS NOT NULL AND expires_at < now() - $1::float8 * interval '1 second'
     ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS MATERIALIZED (
    SELECT id FROM over UNION SELECT id FROM idle
), no_journal AS (
    DELETE FROM session_journal j USING gone g WHERE j.session_id = g.id
), no_history AS (
    DELETE FROM session_event e USING gone g WHERE e.session_id = g.id
), no_session AS (
    DELETE FROM sessions s USING gone g WHERE s.id = g.id RETURNING 1
), nobodys AS (
    DELETE FROM session_event WHERE id IN (
        SELECT id FROM session_event
         WHERE session_id = '' AND at < now() - $1::float8 * interval '1 second' ORDER BY id LIMIT $2)
    RETURNING 1
)
SELECT (SELECT count(*) FROM no_session) + (SELECT count(*) FROM nobodys) AS gone
