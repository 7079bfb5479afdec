-- Store a batch of updates and wake their lanes.
--   locks   seen rows by (bot, update), then lanes by (kind, bot, lane)
--   rows    (bot, update id) of each update that was stored; on every row whether any lane may now be claimable
--   empty   all of them were duplicates; of one that comes twice in the batch the first is stored
-- An id that `seen` has forgotten may still wait in the inbox (a held lane): that is a duplicate too.
-- `(… IN (SELECT …)) IS TRUE` is a hashed lookup, not a join: joins between batches would be nested loops (database.py).
WITH incoming AS (
    SELECT DISTINCT ON (bot_id, update_id) bot_id, lane_key, update_id, payload, at
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])
           WITH ORDINALITY AS t (bot_id, lane_key, update_id, payload, at)
     ORDER BY bot_id, update_id, at
), fresh AS (
    INSERT INTO seen (bot_id, update_id)
    SELECT bot_id, update_id FROM incoming ORDER BY bot_id, update_id
    ON CONFLICT DO NOTHING
    RETURNING bot_id, update_id
), put AS (
    INSERT INTO inbox (bot_id, lane_key, entry_id, payload)
    SELECT i.bot_id, i.lane_key, i.update_id, i.payload
      FROM incoming i
     WHERE ((i.bot_id, i.update_id) IN (SELECT bot_id, update_id FROM fresh)) IS TRUE
     ORDER BY i.at
    ON CONFLICT DO NOTHING
    RETURNING bot_id, lane_key, entry_id
), woken AS (
    INSERT INTO lane AS l (kind, bot_id, lane_key, pending, due_at)
    SELECT 0, bot_id, lane_key, count(*), clock_timestamp()
      FROM put GROUP BY bot_id, lane_key ORDER BY bot_id, lane_key
    ON CONFLICT (kind, bot_id, lane_key) DO UPDATE
       SET pending = l.pending + EXCLUDED.pending,
           due_at  = COALESCE(l.due_at, EXCLUDED.due_at)
    RETURNING l.lease IS NULL AS claimable
)
SELECT bot_id, entry_id, (SELECT bool_or(claimable) FROM woken) AS wake FROM put
