-- Move deliveries $4 (with their new payloads $5) from chat $2 to chat $3, with the chat's state, timers and jobs.
--   locks   what migrate_lock.sql locked, in the same transaction; state, timers, jobs
--   rows    none
-- State that the new chat has already written stays: it is newer.
WITH moved AS (
    UPDATE outbox o SET chat_id = $3, payload = m.payload
      FROM unnest($4::bigint[], $5::bytea[]) AS m (id, payload)
     WHERE o.bot_id = $1 AND o.chat_id = $2 AND o.id = m.id
    RETURNING o.priority
), states AS (
    UPDATE chat_state c SET lane_key = $3
     WHERE c.bot_id = $1 AND c.lane_key = $2
       AND NOT EXISTS (SELECT 1 FROM chat_state n WHERE n.bot_id = $1 AND n.lane_key = $3 AND n.name = c.name)
), timers AS (
    UPDATE timer t SET lane_key = $3
     WHERE t.bot_id = $1 AND t.lane_key = $2
       AND NOT EXISTS (SELECT 1 FROM timer n WHERE n.bot_id = $1 AND n.lane_key = $3 AND n.key = t.key)
), jobs AS (
    UPDATE job SET lane_key = $3 WHERE bot_id = $1 AND lane_key = $2
), counted AS MATERIALIZED (
    SELECT CASE WHEN priority = 0 THEN 3 ELSE 1 END AS kind, count(*)::integer AS n,
           (count(*) FILTER (WHERE priority = 1))::integer AS replies,
           (count(*) FILTER (WHERE priority = 2))::integer AS notices,
           (count(*) FILTER (WHERE priority = 3))::integer AS broadcasts, min(priority) AS prio
      FROM moved GROUP BY 1
), left_behind AS (
    UPDATE lane l
       SET pending = l.pending - c.n, replies = l.replies - c.replies, notices = l.notices - c.notices,
           broadcasts = l.broadcasts - c.broadcasts, idle_at = clock_timestamp(),
           due_at = CASE WHEN l.pending > c.n THEN l.due_at END
      FROM counted c
     WHERE l.kind = c.kind AND l.bot_id = $1 AND l.lane_key = $2
)
INSERT INTO lane AS l (kind, bot_id, lane_key, pending, replies, notices, broadcasts, prio, due_at)
SELECT kind, $1, $3, n, replies, notices, broadcasts, prio, clock_timestamp() FROM counted ORDER BY kind
ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
   SET pending    = l.pending + EXCLUDED.pending,
       replies    = l.replies + EXCLUDED.replies,
       notices    = l.notices + EXCLUDED.notices,
       broadcasts = l.broadcasts + EXCLUDED.broadcasts,
       prio       = CASE WHEN l.pending = 0 THEN EXCLUDED.prio ELSE LEAST(l.prio, EXCLUDED.prio) END,
       due_at     = COALESCE(l.due_at, GREATEST(EXCLUDED.due_at, l.not_before))
