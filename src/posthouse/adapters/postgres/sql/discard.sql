-- Close dead letters; the recorded calls of dead entries go.
--   locks   dead letters SKIP LOCKED
--   rows    ids of those that moved
WITH chosen AS MATERIALIZED (
    SELECT id, kind, bot_id, lane_key, item_id FROM dead_letter
     WHERE closed_at IS NULL AND id = ANY ($1::bigint[])
     ORDER BY id FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM call_record r USING chosen c
     WHERE c.kind = 'entry' AND r.bot_id = c.bot_id AND r.lane_key = c.lane_key AND r.entry_id = c.item_id
)
UPDATE dead_letter d SET closed_at = now(), closed_as = 'discarded' FROM chosen c WHERE d.id = c.id RETURNING d.id
