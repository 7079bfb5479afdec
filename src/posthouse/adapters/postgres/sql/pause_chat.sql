-- Close one chat until $3 seconds from now; an earlier pause that is longer stands. Answers are not held up.
--   locks   the chat's outbound lane
INSERT INTO lane AS l (kind, bot_id, lane_key, not_before, idle_at)
VALUES (1, $1, $2, clock_timestamp() + $3::float8 * interval '1 second', clock_timestamp())
ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
   SET not_before = GREATEST(l.not_before, EXCLUDED.not_before),
       due_at = CASE WHEN l.lease IS NULL AND l.due_at IS NOT NULL
                     THEN GREATEST(l.due_at, EXCLUDED.not_before) ELSE l.due_at END
