-- The journal of a conversation, by ordinal.   $1 session
SELECT record FROM session_journal WHERE session_id = $1 ORDER BY ordinal
