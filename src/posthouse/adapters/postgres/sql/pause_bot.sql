-- Close a bot's outbox until $2 seconds from now; an earlier pause that is longer stands.   locks: its budget row
INSERT INTO bot_budget AS b (bot_id, paused_until) VALUES ($1, clock_timestamp() + $2::float8 * interval '1 second')
ON CONFLICT (bot_id) DO UPDATE SET paused_until = GREATEST(b.paused_until, EXCLUDED.paused_until)
