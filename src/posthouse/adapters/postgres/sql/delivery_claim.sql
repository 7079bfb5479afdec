-- Take up to $1 head deliveries under the token $2 of worker $3 for $4 seconds, within the bots' budgets.
--   $5 the bot to begin after, so that each gets its turn
--   locks   bot_budget rows, outbound lanes, their head deliveries: all SKIP LOCKED or behind a lane that is held
--   rows    one per delivery taken; and one with id NULL per bot that has no bot_budget row yet (create it, ask again)
--   empty   no delivery may leave now
-- Bots with work are found by a loose index scan over lane_out. In a bot, lanes go by (prio, due_at), one band of
-- priority after the other: each band is a range scan that ends at the first lane that is not due yet.
-- Locking the head makes the read follow the newest version of the row: one that was sent meanwhile is skipped.
-- A lane whose lease ran out is taken over; its unfinished delivery is marked as uncertain first.
WITH RECURSIVE active (bot_id) AS (
    (SELECT bot_id FROM lane WHERE kind > 0 AND due_at IS NOT NULL ORDER BY bot_id LIMIT 1)
     UNION ALL
    SELECT (SELECT l.bot_id FROM lane l WHERE l.kind > 0 AND l.due_at IS NOT NULL AND l.bot_id > a.bot_id
             ORDER BY l.bot_id LIMIT 1)
      FROM active a WHERE a.bot_id IS NOT NULL
), bots AS MATERIALIZED (
    SELECT bot_id FROM active WHERE bot_id IS NOT NULL LIMIT 4096
), purse AS MATERIALIZED (
    SELECT b.bot_id, b.broadcast_cost_s > 0 AS pays,
           CASE WHEN b.cost_s = 0 THEN $1::integer
                ELSE LEAST($1::integer, floor(b.burst - extract(epoch FROM GREATEST(b.tat, now()) - now())::float8
                                                        / b.cost_s + 1e-6)::integer) END AS n,
           CASE WHEN b.broadcast_cost_s = 0 THEN 0
                ELSE LEAST($1::integer, floor(b.broadcast_burst
                                              - extract(epoch FROM GREATEST(b.broadcast_tat, now()) - now())::float8
                                                / b.broadcast_cost_s + 1e-6)::integer) END AS paid_n
      FROM bots
      JOIN bot_budget b ON b.bot_id = bots.bot_id
     WHERE b.paused_until <= now()
     ORDER BY b.bot_id <= $5, b.bot_id
       FOR UPDATE OF b SKIP LOCKED
), share AS MATERIALIZED (
    SELECT bot_id, CASE WHEN pays THEN ARRAY[0, 1, 2] ELSE ARRAY[0, 1, 2, 3] END AS bands, n, false AS paid
      FROM purse WHERE n > 0
     UNION ALL
    SELECT bot_id, ARRAY[3], paid_n, true FROM purse WHERE paid_n > 0
), picked AS MATERIALIZED (
    SELECT l.kind, l.bot_id, l.lane_key, l.lease, l.head_id, s.paid
      FROM share s
     CROSS JOIN LATERAL (
           SELECT x.* FROM unnest(s.bands) AS band (prio)
            CROSS JOIN LATERAL (
                  SELECT kind, bot_id, lane_key, lease, head_id FROM lane
                   WHERE kind > 0 AND due_at IS NOT NULL
                     AND bot_id = s.bot_id AND prio = band.prio AND due_at <= now()
                   ORDER BY due_at
                   LIMIT s.n
                     FOR UPDATE SKIP LOCKED) x
            LIMIT s.n) l
     LIMIT $1::integer
), head AS MATERIALIZED (
    SELECT p.kind, p.paid, p.lease IS NOT NULL AND p.head_id = o.id AS cut_off, o.*
      FROM picked p
     CROSS JOIN LATERAL (
           SELECT * FROM outbox
            WHERE bot_id = p.bot_id AND chat_id = p.lane_key
              AND priority BETWEEN CASE WHEN p.kind = 3 THEN 0 ELSE 1 END AND CASE WHEN p.kind = 3 THEN 0 ELSE 3 END
            ORDER BY priority, id
            LIMIT 1
              FOR UPDATE) o
), marked AS (
    UPDATE outbox o SET attempts = o.attempts + 1, uncertain = true
      FROM picked p
     WHERE p.lease IS NOT NULL AND o.bot_id = p.bot_id AND o.chat_id = p.lane_key AND o.id = p.head_id
), spent AS (
    UPDATE bot_budget b
       SET tat           = CASE WHEN b.cost_s = 0 OR u.n = 0 THEN b.tat
                                ELSE GREATEST(b.tat, now()) + u.n * b.cost_s * interval '1 second' END,
           broadcast_tat = CASE WHEN u.paid_n = 0 THEN b.broadcast_tat
                                ELSE GREATEST(b.broadcast_tat, now())
                                     + u.paid_n * b.broadcast_cost_s * interval '1 second' END
      FROM (SELECT bot_id, count(*) FILTER (WHERE NOT paid) AS n, count(*) FILTER (WHERE paid) AS paid_n
              FROM head GROUP BY bot_id) u
     WHERE b.bot_id = u.bot_id AND b.cost_s + b.broadcast_cost_s > 0
), leased AS (
    UPDATE lane l
       SET due_at = clock_timestamp() + $4::float8 * interval '1 second', lease = $2, owner = $3, head_id = h.id
      FROM head h
     WHERE l.kind = h.kind AND l.bot_id = h.bot_id AND l.lane_key = h.chat_id
    RETURNING h.*
)
SELECT id, bot_id, chat_id, attempts + cut_off::integer + 1 AS attempts, method, payload, priority, when_uncertain,
       handle, cause, trace, extract(epoch FROM created_at)::float8 AS created_at, uncertain OR cut_off AS unknown
  FROM leased
 UNION ALL
SELECT NULL, bots.bot_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM bots WHERE NOT EXISTS (SELECT 1 FROM bot_budget b WHERE b.bot_id = bots.bot_id)
