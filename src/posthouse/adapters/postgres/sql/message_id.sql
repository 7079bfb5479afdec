-- The message last sent under a handle.   locks none   empty: none was
SELECT message_id FROM message_handle WHERE bot_id = $1 AND chat_id = $2 AND handle = $3
