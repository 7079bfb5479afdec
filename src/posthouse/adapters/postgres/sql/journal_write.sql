-- Record a call that is about to be made, or its result ($7).   locks: the lane   empty: the lease was lost, nothing recorded
WITH held AS (
    SELECT 1 FROM lane WHERE kind = 0 AND bot_id = $1 AND lane_key = $2 AND lease = $3 FOR NO KEY UPDATE
)
INSERT INTO call_record (bot_id, lane_key, entry_id, ordinal, method, result)
SELECT $1, $2, $4, $5, $6, $7 FROM held
ON CONFLICT (bot_id, lane_key, entry_id, ordinal) DO UPDATE SET method = EXCLUDED.method, result = EXCLUDED.result
RETURNING 1
