-- Spend one call of a bot's and, unless $2 is NULL, of a chat's budget; or say how long to wait.
--   $1 bot, $2 chat, $3 chat cost in seconds (0 = no limit), $4 chat burst
--   locks   the bot_budget row, then the chat's lane
--   rows    seconds to wait; 0 means that the call was admitted and paid for
--   empty   the bot has no budget row yet
WITH bot AS MATERIALIZED (
    SELECT b.bot_id,
           GREATEST(b.paused_until,
                    CASE WHEN b.cost_s > 0 THEN b.tat - (b.burst - 1) * b.cost_s * interval '1 second' END) AS free_at
      FROM bot_budget b WHERE b.bot_id = $1 FOR UPDATE
), chat AS MATERIALIZED (
    SELECT l.tat, l.not_before FROM lane l, bot
     WHERE l.kind = 1 AND l.bot_id = $1 AND l.lane_key = $2::bigint FOR UPDATE OF l
), verdict AS MATERIALIZED (
    SELECT bot.bot_id, clock_timestamp() AS at, chat.not_before,
           GREATEST(chat.tat, clock_timestamp()) + $3::float8 * interval '1 second' AS tat,
           GREATEST(0, extract(epoch FROM GREATEST(bot.free_at, chat.not_before, now()) - clock_timestamp())::float8) AS wait_s
      FROM bot LEFT JOIN chat ON true
), paid AS (
    UPDATE bot_budget b SET tat = GREATEST(b.tat, v.at) + b.cost_s * interval '1 second'
      FROM verdict v WHERE b.bot_id = v.bot_id AND v.wait_s = 0 AND b.cost_s > 0
), paced AS (
    INSERT INTO lane AS l (kind, bot_id, lane_key, tat, not_before, idle_at)
    SELECT 1, v.bot_id, $2::bigint, v.tat, GREATEST(v.not_before, v.tat - ($4::integer - 1) * $3::float8 * interval '1 second'), v.at
      FROM verdict v WHERE v.wait_s = 0 AND $2::bigint IS NOT NULL AND $3::float8 > 0
    ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
       SET tat = EXCLUDED.tat, not_before = EXCLUDED.not_before,
           due_at = CASE WHEN l.lease IS NULL AND l.due_at IS NOT NULL
                         THEN GREATEST(l.due_at, EXCLUDED.not_before) ELSE l.due_at END
)
SELECT wait_s FROM verdict
