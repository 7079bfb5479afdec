-- Where these sessions are now, locked until the commit. $1 ids
--   locks   session rows by id. Taken before any lane is locked, so that all who take both agree on the order.
--   rows    id, state, session_rev of those that exist
SELECT id, state, session_rev FROM sessions WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE
