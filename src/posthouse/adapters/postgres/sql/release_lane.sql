-- Let a held lane go on; with $3 its head is buried first. Otherwise the head has its last try back: its recorded calls
-- are still there, it runs once more, and one more failure holds the lane again.
--   locks   the lane
--   empty   it was not held
WITH held AS MATERIALIZED (
    SELECT bot_id, lane_key, pending, hold_reason FROM lane
     WHERE kind = 0 AND bot_id = $1 AND lane_key = $2 AND hold_reason IS NOT NULL AND lease IS NULL
       FOR UPDATE
), dug AS (
    DELETE FROM inbox i USING held h
     WHERE $3::boolean AND i.bot_id = h.bot_id AND i.lane_key = h.lane_key
       AND i.entry_id = (SELECT min(e.entry_id) FROM inbox e WHERE e.bot_id = $1 AND e.lane_key = $2)
    RETURNING i.bot_id, i.lane_key, i.entry_id, i.payload, i.tries, h.hold_reason
), again AS (
    UPDATE inbox i SET tries = GREATEST(i.tries - 1, 0)
      FROM held h
     WHERE NOT $3::boolean AND i.bot_id = h.bot_id AND i.lane_key = h.lane_key
       AND i.entry_id = (SELECT min(e.entry_id) FROM inbox e WHERE e.bot_id = $1 AND e.lane_key = $2)
), buried AS (
    INSERT INTO dead_letter (kind, bot_id, lane_key, item_id, payload, attempts, error, reason, trace)
    SELECT 'entry', bot_id, lane_key, entry_id, payload, tries, 'skipped by an operator', hold_reason,
           bot_id || ':' || entry_id
      FROM dug
)
UPDATE lane l
   SET hold_reason = NULL, pending = l.pending - (SELECT count(*) FROM dug)::integer,
       idle_at = clock_timestamp(),
       due_at = CASE WHEN l.pending > (SELECT count(*) FROM dug) THEN clock_timestamp() END
  FROM held h
 WHERE l.kind = 0 AND l.bot_id = h.bot_id AND l.lane_key = h.lane_key
RETURNING 1
