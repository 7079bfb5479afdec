-- End deliveries: fence, delete or put back, bury, remember handles, pace the chat, release.
--   $1-$5 bot, chat, kind, token, id; $6 priority; $7 leaving; $8 delay; $9 attempts that stand; $10 unknown;
--   $11 close the chat for the delay (429); $12 pace; $13 reason (dead); $14 error; $15 handle; $16 message
--   locks   outbound lanes by (kind, bot, lane)
--   rows    `at` of every settlement that was written; whoever is missing had lost the lease
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::smallint[],
                         $7::boolean[], $8::float8[], $9::integer[], $10::boolean[], $11::boolean[], $12::float8[],
                         $13::text[], $14::text[], $15::text[], $16::bigint[])
           WITH ORDINALITY AS a (bot_id, chat_id, kind, token, id, priority, leaving, delay_s, attempts, unknown, closed,
                                 pace_s, reason, error, handle, message_id, at)
), held AS MATERIALIZED (
    -- FOR UPDATE makes the lane's columns those of its newest version, so the sums below are right.
    SELECT a.*, l.pending - a.leaving::integer AS rest,
           l.replies    - (a.leaving AND a.priority = 1)::integer AS replies,
           l.notices    - (a.leaving AND a.priority = 2)::integer AS notices,
           l.broadcasts - (a.leaving AND a.priority = 3)::integer AS broadcasts,
           clock_timestamp() + a.delay_s * interval '1 second' AS again_at,
           GREATEST(l.not_before,
                    CASE WHEN a.pace_s > 0 THEN clock_timestamp() + a.pace_s * interval '1 second' END,
                    CASE WHEN a.closed THEN clock_timestamp() + a.delay_s * interval '1 second' END) AS floor_at
      FROM asked a JOIN lane l ON l.kind = a.kind AND l.bot_id = a.bot_id AND l.lane_key = a.chat_id
     WHERE l.lease = a.token AND l.head_id = a.id
     ORDER BY l.kind, l.bot_id, l.lane_key
       FOR UPDATE OF l
), gone AS (
    DELETE FROM outbox o USING held h
     WHERE h.leaving AND h.reason IS NULL
       AND o.bot_id = h.bot_id AND o.chat_id = h.chat_id AND o.priority = h.priority AND o.id = h.id
), dug AS (
    DELETE FROM outbox o USING held h
     WHERE h.reason IS NOT NULL
       AND o.bot_id = h.bot_id AND o.chat_id = h.chat_id AND o.priority = h.priority AND o.id = h.id
    RETURNING o.*, h.attempts AS tries, h.error, h.reason
), buried AS (
    INSERT INTO dead_letter (kind, bot_id, lane_key, item_id, what, payload, detail, attempts, error, reason, trace)
    SELECT 'delivery', bot_id, chat_id, id, method, payload,
           jsonb_build_object('priority', priority, 'when_uncertain', when_uncertain, 'handle', handle, 'cause', cause),
           tries, error, reason, trace
      FROM dug
), back AS (
    UPDATE outbox o SET attempts = h.attempts, uncertain = o.uncertain OR h.unknown
      FROM held h
     WHERE NOT h.leaving
       AND o.bot_id = h.bot_id AND o.chat_id = h.chat_id AND o.priority = h.priority AND o.id = h.id
), named AS (
    INSERT INTO message_handle (bot_id, chat_id, handle, message_id)
    SELECT DISTINCT ON (bot_id, chat_id, handle) bot_id, chat_id, handle, message_id FROM held
     WHERE handle IS NOT NULL AND message_id IS NOT NULL
     ORDER BY bot_id, chat_id, handle, at DESC
    ON CONFLICT (bot_id, chat_id, handle) DO UPDATE SET message_id = EXCLUDED.message_id, sent_at = now()
)
UPDATE lane l
   SET pending = f.rest, replies = f.replies, notices = f.notices, broadcasts = f.broadcasts,
       prio = CASE WHEN f.kind = 3 THEN 0 WHEN f.replies > 0 THEN 1 WHEN f.notices > 0 THEN 2 ELSE 3 END,
       lease = NULL, owner = NULL, head_id = NULL, not_before = f.floor_at, idle_at = clock_timestamp(),
       due_at = CASE WHEN f.rest > 0 THEN GREATEST(f.again_at, f.floor_at) END
  FROM held f
 WHERE l.kind = f.kind AND l.bot_id = f.bot_id AND l.lane_key = f.chat_id
RETURNING f.at, l.due_at IS NOT NULL AS more
