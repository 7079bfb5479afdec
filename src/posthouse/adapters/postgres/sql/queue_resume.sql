-- Let claims from a queue go on.   locks: its row
DELETE FROM queue_pause WHERE queue = $1
