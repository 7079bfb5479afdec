-- Put dead entries back into their lanes under their old ids: a replayed update runs before what waits.
-- Recorded calls were kept with the letter; an entry that has some counts as tried, so that they are replayed.
--   locks   dead letters SKIP LOCKED, then inbound lanes by (bot, lane)
--   rows    ids of the dead letters that moved
WITH chosen AS MATERIALIZED (
    SELECT id, bot_id, lane_key, item_id, payload FROM dead_letter
     WHERE kind = 'entry' AND closed_at IS NULL AND id = ANY ($1::bigint[])
     ORDER BY bot_id, lane_key, item_id FOR UPDATE SKIP LOCKED
), put AS (
    INSERT INTO inbox (bot_id, lane_key, entry_id, tries, payload)
    SELECT bot_id, lane_key, item_id,
           EXISTS (SELECT 1 FROM call_record r WHERE r.bot_id = c.bot_id AND r.lane_key = c.lane_key
                                                 AND r.entry_id = c.item_id)::integer,
           payload
      FROM chosen c
    ON CONFLICT DO NOTHING
    RETURNING bot_id, lane_key
), woken AS (
    INSERT INTO lane AS l (kind, bot_id, lane_key, pending, due_at)
    SELECT 0, bot_id, lane_key, count(*), clock_timestamp()
      FROM put GROUP BY bot_id, lane_key ORDER BY bot_id, lane_key
    ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
       SET pending = l.pending + EXCLUDED.pending, due_at = COALESCE(l.due_at, EXCLUDED.due_at)
)
UPDATE dead_letter d SET closed_at = now(), closed_as = 'replayed' FROM chosen c WHERE d.id = c.id RETURNING d.id
