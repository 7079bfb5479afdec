-- The last $2 lines of the history of session $1, newest first.
SELECT session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format, trace,
       extract(epoch FROM at)::float8
  FROM session_event
 WHERE session_id = $1
 ORDER BY id DESC
 LIMIT $2
