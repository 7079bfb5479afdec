-- Make new sessions; the caller has looked that none of them exists (sessions_lock.sql).
--   locks   session rows by id
--   rows    none
INSERT INTO sessions (id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev,
                           is_active, ui_chat_id, ui_message_id, ui_handle, data, version, language, created_at,
                           updated_at, expires_at)
SELECT w.id, w.bot_id, w.lane_key, w.env, w.flow_kind, w.user_id, w.chat_id, w.thread_id, w.state, w.session_rev,
       w.is_active, w.ui_chat_id, w.ui_message_id, w.ui_handle, w.data, w.version, w.language, to_timestamp(w.created_at),
       to_timestamp(w.updated_at), to_timestamp(w.expires_at)
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
              $9::text[], $10::integer[], $11::boolean[], $12::bigint[], $13::bigint[], $14::text[], $15::bytea[],
              $16::text[], $17::text[], $18::float8[], $19::float8[], $20::float8[])
       AS w (id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active,
             ui_chat_id, ui_message_id, ui_handle, data, version, language, created_at, updated_at, expires_at)
 ORDER BY w.id
