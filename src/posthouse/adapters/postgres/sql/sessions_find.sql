-- Sessions for an operator, the one that changed last first.
-- $1 bot, $2 env, $3 user, $4 flow, $5 state (NULL = any), $6 live only, $7 limit
SELECT id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active, ui_chat_id,
       ui_message_id, ui_handle, data, version, language, extract(epoch FROM created_at)::float8,
       extract(epoch FROM updated_at)::float8, extract(epoch FROM expires_at)::float8
  FROM sessions
 WHERE ($1::bigint IS NULL OR bot_id = $1)
   AND ($2::text IS NULL OR env = $2)
   AND ($3::bigint IS NULL OR user_id = $3)
   AND ($4::text IS NULL OR flow_kind = $4)
   AND ($5::text IS NULL OR state = $5)
   AND (NOT $6::boolean OR (is_active AND (expires_at IS NULL OR expires_at > now())))
 ORDER BY updated_at DESC
 LIMIT $7
