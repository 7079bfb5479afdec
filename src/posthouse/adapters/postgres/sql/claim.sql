-- Take up to $1 inbound lanes, longest due first, under the token $2 of worker $3 for $4 seconds; up to $5 entries each.
--   locks   lanes, SKIP LOCKED
--   rows    one per lane taken, with the first and last entry that its lease carries, for fetch.sql
--   empty   no lane is due (a lane that another claim holds at this moment is being taken care of)
-- The try is counted on the lane, with the lease; it moves to the entry only when the lease is lost or the entry is to
-- be tried again, so that a turn that goes well writes its entry no more than twice: once in, once out.
-- A lane whose lease has run out is simply due again; all that the lease carried may have run.
-- `picked` is materialised as a fence: without it the planner may lock more lanes than it takes.
WITH picked AS MATERIALIZED (
    SELECT kind, bot_id, lane_key, due_at, lease, attempts, head_id, carried_to
      FROM lane
     WHERE kind = 0 AND due_at <= now()
     ORDER BY due_at
     LIMIT $1
       FOR UPDATE SKIP LOCKED
), stained AS (
    UPDATE inbox i SET tries = CASE WHEN i.entry_id = p.head_id THEN p.attempts ELSE GREATEST(i.tries, 1) END
      FROM picked p
     WHERE p.lease IS NOT NULL
       AND i.bot_id = p.bot_id AND i.lane_key = p.lane_key AND i.entry_id <= p.carried_to
), carried AS MATERIALIZED (
    SELECT p.kind, p.bot_id, p.lane_key, p.due_at, x.first_id, x.last_id,
           CASE WHEN p.lease IS NOT NULL AND x.first_id = p.head_id THEN p.attempts
                WHEN p.lease IS NOT NULL AND x.first_id <= p.carried_to THEN GREATEST(x.tries, 1)
                ELSE COALESCE(x.tries, 0) END AS tries
      FROM picked p
     CROSS JOIN LATERAL (
           SELECT min(e.entry_id) AS first_id, max(e.entry_id) AS last_id, (array_agg(e.tries ORDER BY e.entry_id))[1] AS tries
             FROM (SELECT entry_id, tries FROM inbox
                    WHERE bot_id = p.bot_id AND lane_key = p.lane_key
                    ORDER BY entry_id
                    LIMIT $5) e) x
)
UPDATE lane l
   SET due_at = clock_timestamp() + $4::float8 * interval '1 second',
       lease = $2, owner = $3, attempts = c.tries + 1, head_id = c.first_id,
       carried_to = CASE WHEN c.tries > 0 THEN c.first_id ELSE c.last_id END, hold_reason = NULL
  FROM carried c
 WHERE l.kind = c.kind AND l.bot_id = c.bot_id AND l.lane_key = c.lane_key
RETURNING l.bot_id, l.lane_key, l.head_id, l.carried_to, c.due_at
