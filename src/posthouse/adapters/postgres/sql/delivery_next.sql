-- Seconds until the next outbound lane that is not due yet comes due, among the first 64 bots with work.
--   locks   none   NULL: none waits
WITH RECURSIVE active (bot_id, n) AS (
    (SELECT bot_id, 1 FROM lane WHERE kind > 0 AND due_at IS NOT NULL ORDER BY bot_id LIMIT 1)
     UNION ALL
    SELECT (SELECT l.bot_id FROM lane l WHERE l.kind > 0 AND l.due_at IS NOT NULL AND l.bot_id > a.bot_id
             ORDER BY l.bot_id LIMIT 1), a.n + 1
      FROM active a WHERE a.bot_id IS NOT NULL AND a.n < 64
)
SELECT extract(epoch FROM min(x.due_at) - now())::float8
  FROM active a
 CROSS JOIN (VALUES (0), (1), (2), (3)) AS band (prio)
 CROSS JOIN LATERAL (
       SELECT due_at FROM lane
        WHERE kind > 0 AND due_at IS NOT NULL AND bot_id = a.bot_id AND prio = band.prio AND due_at > now()
        ORDER BY due_at LIMIT 1) x
