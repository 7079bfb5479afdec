-- Stop claims from a queue.   locks: its row
INSERT INTO queue_pause (queue) VALUES ($1) ON CONFLICT DO NOTHING
