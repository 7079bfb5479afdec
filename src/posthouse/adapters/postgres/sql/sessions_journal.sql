-- Add entries to journals, then forget those of sessions that have ended. $1 sessions, $2 ordinals, $3 records, $4 ended
--   locks   journal rows, of sessions that the caller has locked
--   rows    none
WITH kept AS (
    INSERT INTO session_journal AS j (session_id, ordinal, record)
    SELECT w.session_id, w.ordinal, w.record
      FROM unnest($1::text[], $2::integer[], $3::bytea[]) AS w (session_id, ordinal, record)
     WHERE NOT (w.session_id = ANY($4::text[]))
    ON CONFLICT (session_id, ordinal) DO UPDATE SET record = EXCLUDED.record
)
DELETE FROM session_journal WHERE session_id = ANY($4::text[])
