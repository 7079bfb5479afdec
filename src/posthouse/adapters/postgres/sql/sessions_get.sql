-- One session.   $1 id
SELECT id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active, ui_chat_id,
       ui_message_id, ui_handle, data, version, language, extract(epoch FROM created_at)::float8,
       extract(epoch FROM updated_at)::float8, extract(epoch FROM expires_at)::float8
  FROM sessions
 WHERE id = $1
