-- The named pieces of one chat's state.   locks none   empty: none of them exists
SELECT name, data FROM chat_state WHERE bot_id = $1 AND lane_key = $2 AND name = ANY ($3::text[])
