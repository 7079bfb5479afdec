-- Seconds until the next inbound lane that is not due yet comes due; NULL when there is none (held lanes never do).
--   locks   none
SELECT extract(epoch FROM (SELECT due_at FROM lane WHERE kind = 0 AND due_at > now() AND due_at < 'infinity'
                            ORDER BY due_at LIMIT 1) - now())::float8
