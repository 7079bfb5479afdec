-- Free what dead workers and overdue leases hold. $1 this worker, $2 seconds after which a heartbeat is missed,
-- $3 true while workers without their lock may be about to come back (the server was restarted): they are left alone.
--   locks   advisory locks of dead workers until the end of the transaction; lanes by (kind, bot, lane) and jobs by
--           id, both SKIP LOCKED; the deliveries that were under way
--   rows    always one: how many lanes, deliveries, jobs were freed and workers forgotten
-- At most 1,000 lanes and jobs of a worker at a time: the next tick goes on.
-- A worker is forgotten when nothing is left that it owns: what another transaction has locked waits for the next.
WITH gone AS MATERIALIZED (
    SELECT w.id FROM worker w
     WHERE w.id <> $1
       AND CASE WHEN w.locked THEN NOT $3::boolean AND pg_try_advisory_xact_lock(7419, w.id)
                ELSE w.heartbeat_at < now() - $2::float8 * interval '1 second' END
), suspect AS MATERIALIZED (
    SELECT x.*, true AS dead
      FROM gone
     CROSS JOIN LATERAL (
           SELECT kind, bot_id, lane_key FROM lane WHERE owner = gone.id ORDER BY due_at LIMIT 1000) x
     UNION ALL
    SELECT x.*, false
      FROM worker w
     CROSS JOIN LATERAL (
           SELECT kind, bot_id, lane_key FROM lane WHERE owner = w.id AND due_at <= now()
            ORDER BY due_at LIMIT 1000) x
), held AS MATERIALIZED (
    SELECT l.kind, l.bot_id, l.lane_key, l.head_id, l.carried_to, l.attempts, l.owner
      FROM (SELECT kind, bot_id, lane_key, bool_or(dead) AS dead FROM suspect
             GROUP BY kind, bot_id, lane_key ORDER BY kind, bot_id, lane_key) s
      JOIN lane l ON l.kind = s.kind AND l.bot_id = s.bot_id AND l.lane_key = s.lane_key
     WHERE l.lease IS NOT NULL AND (s.dead OR l.due_at <= now())
     ORDER BY l.kind, l.bot_id, l.lane_key
       FOR UPDATE OF l SKIP LOCKED
), stained AS (   -- whatever a lost lease carried may have run
    UPDATE inbox i SET tries = CASE WHEN i.entry_id = h.head_id THEN h.attempts ELSE GREATEST(i.tries, 1) END
      FROM held h
     WHERE h.kind = 0 AND i.bot_id = h.bot_id AND i.lane_key = h.lane_key AND i.entry_id <= h.carried_to
), unknown AS (
    UPDATE outbox o SET attempts = o.attempts + 1, uncertain = true
      FROM held h
     WHERE h.kind > 0 AND o.bot_id = h.bot_id AND o.chat_id = h.lane_key AND o.id = h.head_id
       AND o.priority BETWEEN CASE WHEN h.kind = 3 THEN 0 ELSE 1 END AND CASE WHEN h.kind = 3 THEN 0 ELSE 3 END
), freed AS (
    UPDATE lane l
       SET lease = NULL, owner = NULL, attempts = 0, head_id = NULL, carried_to = NULL,
           due_at = CASE WHEN l.pending > 0 THEN clock_timestamp() END
      FROM held h
     WHERE l.kind = h.kind AND l.bot_id = h.bot_id AND l.lane_key = h.lane_key
    RETURNING l.kind
), late AS MATERIALIZED (
    (SELECT j.id, true AS dead FROM gone CROSS JOIN LATERAL (SELECT id FROM job WHERE owner = gone.id LIMIT 1000) j)
     UNION ALL
    (SELECT id, false FROM job WHERE lease IS NOT NULL AND expires_at <= now() ORDER BY expires_at LIMIT 1000)
), stuck AS MATERIALIZED (
    SELECT j.id, j.owner
      FROM (SELECT id, bool_or(dead) AS dead FROM late GROUP BY id) s
      JOIN job j ON j.id = s.id
     WHERE j.lease IS NOT NULL AND (s.dead OR j.expires_at <= now())
     ORDER BY j.id
       FOR UPDATE OF j SKIP LOCKED
), cancelled AS (
    DELETE FROM job j USING stuck s WHERE j.id = s.id AND j.cancelled
), unstuck AS (
    UPDATE job j SET lease = NULL, owner = NULL, expires_at = NULL, due_at = clock_timestamp()
      FROM stuck s WHERE j.id = s.id AND NOT j.cancelled
), dropped AS (
    DELETE FROM worker w USING gone
     WHERE w.id = gone.id
       AND (SELECT count(*) FROM (SELECT 1 FROM lane l WHERE l.owner = gone.id LIMIT 1001) x)
         = (SELECT count(*) FROM held h WHERE h.owner = gone.id)
       AND (SELECT count(*) FROM (SELECT 1 FROM job j WHERE j.owner = gone.id LIMIT 1001) x)
         = (SELECT count(*) FROM stuck s WHERE s.owner = gone.id)
    RETURNING 1
)
SELECT (SELECT count(*) FROM freed WHERE kind = 0)::integer AS lanes,
       (SELECT count(*) FROM freed WHERE kind > 0)::integer AS deliveries,
       (SELECT count(*) FROM stuck)::integer AS jobs,
       (SELECT count(*) FROM dropped)::integer AS workers
