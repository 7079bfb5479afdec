-- Read the head entries and the state of claimed lanes: entries from $3[i] to $4[i], at most $5; $6 pieces of state.
--   locks   none: the caller holds the lanes' leases
--   rows    entry: at, entry_id, received, tries, NULL, payload
--           state: at, NULL,     NULL,     NULL,  name, data      (one more than $6 when there are more)
--   empty   nothing is left in any of the lanes
-- A statement of its own, after the claim has committed: the claim's view of these tables may be older than the
-- lane row that it locked, and would miss what the turn before has written.
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
           WITH ORDINALITY AS q (bot_id, lane_key, first_id, last_id, at)
)
SELECT q.at, m.entry_id, extract(epoch FROM m.received_at)::float8 AS received_at, m.tries, NULL::text AS name,
       m.payload AS body
  FROM asked q
 CROSS JOIN LATERAL (
       SELECT i.entry_id, i.received_at, i.tries, i.payload FROM inbox i
        WHERE i.bot_id = q.bot_id AND i.lane_key = q.lane_key AND i.entry_id BETWEEN q.first_id AND q.last_id
        ORDER BY i.entry_id
        LIMIT $5) m
 UNION ALL
SELECT q.at, NULL, NULL, NULL, s.name, s.data
  FROM asked q
 CROSS JOIN LATERAL (
       SELECT c.name, c.data FROM chat_state c
        WHERE c.bot_id = q.bot_id AND c.lane_key = q.lane_key
        ORDER BY c.name
        LIMIT $6::integer + 1) s
