-- Move sessions that exist, each at most once; the caller has locked and compared them (sessions_lock.sql).
--   locks   none new
--   rows    none
-- Who a session belongs to never changes.
UPDATE sessions s
   SET state = w.state, session_rev = w.session_rev, is_active = w.is_active, ui_chat_id = w.ui_chat_id,
       ui_message_id = w.ui_message_id, ui_handle = w.ui_handle, data = w.data, language = w.language,
       updated_at = to_timestamp(w.updated_at), expires_at = to_timestamp(w.expires_at)
  FROM unnest($1::text[], $2::text[], $3::integer[], $4::boolean[], $5::bigint[], $6::bigint[], $7::text[], $8::bytea[],
              $9::text[], $10::float8[], $11::float8[])
       AS w (id, state, session_rev, is_active, ui_chat_id, ui_message_id, ui_handle, data, language, updated_at,
             expires_at)
 WHERE s.id = w.id
