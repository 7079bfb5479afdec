-- Give back what a claim took whose answer never arrived (cancelled, connection lost): nobody has seen the work.
--   $1 owner, $2 tokens
--   locks   lanes by (kind, bot, lane), jobs by id
--   rows    none
WITH held AS MATERIALIZED (
    SELECT kind, bot_id, lane_key FROM lane
     WHERE owner = $1 AND lease = ANY ($2::bigint[])
     ORDER BY kind, bot_id, lane_key
       FOR UPDATE
), freed AS (
    UPDATE lane l
       SET lease = NULL, owner = NULL, attempts = 0, head_id = NULL, carried_to = NULL,
           due_at = CASE WHEN l.pending > 0 THEN clock_timestamp() END
      FROM held h
     WHERE l.kind = h.kind AND l.bot_id = h.bot_id AND l.lane_key = h.lane_key
), taken AS MATERIALIZED (
    SELECT id FROM job WHERE owner = $1 AND lease = ANY ($2::bigint[]) ORDER BY id FOR UPDATE
)
UPDATE job j
   SET lease = NULL, owner = NULL, expires_at = NULL, attempts = GREATEST(j.attempts - 1, 0)
  FROM taken t
 WHERE j.id = t.id
