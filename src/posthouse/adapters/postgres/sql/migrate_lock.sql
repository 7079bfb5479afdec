-- The outbound lanes of a chat and of the chat it became, locked in order, and the rows that wait in the old one.
--   locks   outbound lanes by (kind, bot, lane); then the waiting deliveries of $2 that no lease holds
--   rows    deliveries of the old chat: their id, priority and payload
WITH lanes AS MATERIALIZED (
    SELECT kind FROM lane WHERE kind IN (1, 3) AND bot_id = $1 AND lane_key IN ($2, $3)
     ORDER BY kind, bot_id, lane_key FOR UPDATE
)
SELECT o.id, o.priority, o.payload FROM outbox o
 WHERE o.bot_id = $1 AND o.chat_id = $2 AND (SELECT count(*) FROM lanes) >= 0
 ORDER BY o.priority, o.id
   FOR UPDATE
