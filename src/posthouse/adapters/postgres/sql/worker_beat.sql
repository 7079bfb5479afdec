-- Proof of life behind a transaction pooler.   empty: somebody took this worker for dead; register again
UPDATE worker SET heartbeat_at = now() WHERE id = $1 RETURNING 1
