-- Let anybody reap this worker now (graceful stop behind a pooler; with a lock, letting go of it says the same).
UPDATE worker SET heartbeat_at = '-infinity' WHERE id = $1
