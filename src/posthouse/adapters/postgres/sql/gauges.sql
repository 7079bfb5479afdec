-- The gauges of the metrics page: every count stops at $1, so that the price does not grow with the backlog.
--   locks   none   rows: always one
-- The oldest ages look at the heads of the hundred lanes that are due longest.
SELECT (SELECT count(*) FROM (SELECT 1 FROM lane WHERE kind = 0 AND due_at <= now() AND lease IS NULL LIMIT $1) x)
           AS lanes_waiting,
       (SELECT count(*) FROM (SELECT 1 FROM lane WHERE owner IS NOT NULL AND kind = 0 LIMIT $1) x) AS lanes_leased,
       (SELECT count(*) FROM (SELECT 1 FROM lane WHERE kind = 0 AND due_at > now() AND lease IS NULL LIMIT $1) x)
           AS lanes_blocked,
       COALESCE((SELECT extract(epoch FROM now() - min(h.received_at))::float8
                   FROM (SELECT bot_id, lane_key FROM lane WHERE kind = 0 AND due_at <= now()
                          ORDER BY due_at LIMIT 100) d
                  CROSS JOIN LATERAL (SELECT received_at FROM inbox i
                                       WHERE i.bot_id = d.bot_id AND i.lane_key = d.lane_key
                                       ORDER BY entry_id LIMIT 1) h), 0) AS oldest_waiting_s,
       (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT $1) x) AS outbox_waiting,
       COALESCE((SELECT extract(epoch FROM now() - o.created_at)::float8 FROM outbox o ORDER BY id LIMIT 1), 0)
           AS oldest_delivery_s,
       (SELECT count(*) FROM (SELECT 1 FROM job WHERE lease IS NULL LIMIT $1) x) AS jobs_waiting,
       (SELECT count(*) FROM (SELECT 1 FROM job WHERE lease IS NOT NULL LIMIT $1) x) AS jobs_running,
       (SELECT count(*) FROM (SELECT 1 FROM dead_letter WHERE closed_at IS NULL LIMIT $1) x) AS dead_letters_open
