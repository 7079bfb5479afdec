-- Write down what bots are allowed.   locks: bot_budget by bot   rows none
INSERT INTO bot_budget AS b (bot_id, cost_s, burst, broadcast_cost_s, broadcast_burst)
SELECT * FROM unnest($1::bigint[], $2::float8[], $3::integer[], $4::float8[], $5::integer[])
           AS k (bot_id, cost_s, burst, broadcast_cost_s, broadcast_burst)
 ORDER BY bot_id
ON CONFLICT (bot_id) DO UPDATE
   SET cost_s = EXCLUDED.cost_s, burst = EXCLUDED.burst,
       broadcast_cost_s = EXCLUDED.broadcast_cost_s, broadcast_burst = EXCLUDED.broadcast_burst
