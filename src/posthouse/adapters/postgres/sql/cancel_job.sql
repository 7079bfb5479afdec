-- Cancel a job: one that waits leaves now, one that runs is marked for its worker's next heartbeat.
--   locks   the job
--   empty   no such live job, or it was cancelled before
WITH held AS MATERIALIZED (
    SELECT id, lease FROM job WHERE id = $1 AND NOT cancelled FOR UPDATE
), gone AS (
    DELETE FROM job j USING held h WHERE j.id = h.id AND h.lease IS NULL
    RETURNING j.id, j.task, j.bot_id, j.lane_key, j.notify, j.data, j.trace
), told AS (
    UPDATE job j SET cancelled = true FROM held h WHERE j.id = h.id AND h.lease IS NOT NULL
    RETURNING j.id
)
SELECT id, task, bot_id, lane_key, notify, data, trace FROM gone
 UNION ALL
SELECT id, NULL, NULL, NULL, false, NULL, NULL FROM told
