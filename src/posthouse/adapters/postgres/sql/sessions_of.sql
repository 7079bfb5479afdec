-- The active sessions of claimed lanes, at most $3 of each. $1 bots, $2 lanes
--   locks   none: the caller holds the lanes' leases
--   rows    at (the lane's place, from 1), then a whole session; one more than $3 when there are more
SELECT q.at, s.*
  FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS q (bot_id, lane_key, at)
 CROSS JOIN LATERAL (
       SELECT id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active, ui_chat_id,
       ui_message_id, ui_handle, data, version, language, extract(epoch FROM created_at)::float8,
       extract(epoch FROM updated_at)::float8, extract(epoch FROM expires_at)::float8
         FROM sessions
        WHERE bot_id = q.bot_id AND lane_key = q.lane_key AND is_active
        LIMIT $3::integer + 1) s
