-- The recorded calls of one entry, by ordinal.   locks none   empty: no call was recorded
SELECT ordinal, method, result FROM call_record
 WHERE bot_id = $1 AND lane_key = $2 AND entry_id = $3
 ORDER BY ordinal
