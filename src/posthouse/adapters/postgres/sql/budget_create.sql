-- Give bots their budget rows.   locks: bot_budget by bot   rows none
INSERT INTO bot_budget (bot_id) SELECT b FROM unnest($1::bigint[]) AS b ORDER BY b ON CONFLICT DO NOTHING
