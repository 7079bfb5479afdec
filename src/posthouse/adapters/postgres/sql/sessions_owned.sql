-- The active sessions of a lane that these people own, newest first.   $1 bot, $2 lane, $3 people
SELECT id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active, ui_chat_id,
       ui_message_id, ui_handle, data, version, language, extract(epoch FROM created_at)::float8,
       extract(epoch FROM updated_at)::float8, extract(epoch FROM expires_at)::float8
  FROM sessions
 WHERE bot_id = $1 AND lane_key = $2 AND is_active AND user_id = ANY($3::bigint[])
 ORDER BY updated_at DESC
