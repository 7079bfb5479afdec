-- Add lines to the history of sessions, in the order given.
--   locks   none
--   rows    none
INSERT INTO session_event (session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format,
                           trace, at)
SELECT e.session_id, e.bot_id, e.flow_kind, e.event, e.from_state, e.to_state, e.rev, e.reason, e.detail, e.format,
       e.trace, to_timestamp(e.at)
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[],
              $9::text[], $10::text[], $11::text[], $12::float8[])
       WITH ORDINALITY AS e (session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format,
                             trace, at, nth)
 ORDER BY e.nth
