-- Move and make sessions, each at most once, and add to their history and journals; journals of the ended are forgotten.
--   locks   session rows by id: moves are given in that order. Taken before any lane is locked, so that all who take
--           both agree on the order.
--   rows    one: how many sessions were moved or made. When that is not all of them, the transaction is to be undone.
-- A move is compared and set in one go: state and revision must be those that the turn saw. A row that somebody else
-- has locked is compared when they have committed. Who a session belongs to never changes.
WITH moved AS (
    UPDATE sessions s
       SET state = w.state, session_rev = w.session_rev, is_active = w.is_active, ui_chat_id = w.ui_chat_id,
           ui_message_id = w.ui_message_id, ui_handle = w.ui_handle, data = w.data, language = w.language,
           updated_at = to_timestamp(w.updated_at), expires_at = to_timestamp(w.expires_at)
      FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::integer[], $6::boolean[], $7::bigint[],
                  $8::bigint[], $9::text[], $10::bytea[], $11::text[], $12::float8[], $13::float8[])
           AS w (id, from_state, from_rev, state, session_rev, is_active, ui_chat_id, ui_message_id, ui_handle, data,
                 language, updated_at, expires_at)
     WHERE s.id = w.id AND s.state = w.from_state AND s.session_rev = w.from_rev
    RETURNING 1
), made AS (
    INSERT INTO sessions (id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev,
                          is_active, ui_chat_id, ui_message_id, ui_handle, data, version, language, created_at,
                          updated_at, expires_at)
    SELECT w.id, w.bot_id, w.lane_key, w.env, w.flow_kind, w.user_id, w.chat_id, w.thread_id, w.state, w.session_rev,
           w.is_active, w.ui_chat_id, w.ui_message_id, w.ui_handle, w.data, w.version, w.language,
           to_timestamp(w.created_at), to_timestamp(w.updated_at), to_timestamp(w.expires_at)
      FROM unnest($14::text[], $15::bigint[], $16::bigint[], $17::text[], $18::text[], $19::bigint[], $20::bigint[],
                  $21::bigint[], $22::text[], $23::integer[], $24::boolean[], $25::bigint[], $26::bigint[], $27::text[],
                  $28::bytea[], $29::text[], $30::text[], $31::float8[], $32::float8[], $33::float8[])
           AS w (id, bot_id, lane_key, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active,
                 ui_chat_id, ui_message_id, ui_handle, data, version, language, created_at, updated_at, expires_at)
    ON CONFLICT (id) DO NOTHING
    RETURNING 1
), told AS (
    INSERT INTO session_event (session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format,
                               trace, at)
    SELECT e.session_id, e.bot_id, e.flow_kind, e.event, e.from_state, e.to_state, e.rev, e.reason, e.detail, e.format,
           e.trace, to_timestamp(e.at)
      FROM unnest($34::text[], $35::bigint[], $36::text[], $37::text[], $38::text[], $39::text[], $40::integer[],
                  $41::text[], $42::text[], $43::text[], $44::text[], $45::float8[])
           WITH ORDINALITY AS e (session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail,
                                 format, trace, at, nth)
     ORDER BY e.nth
), noted AS (
    INSERT INTO session_journal AS j (session_id, ordinal, record)
    SELECT w.session_id, w.ordinal, w.record
      FROM unnest($46::text[], $47::integer[], $48::bytea[]) AS w (session_id, ordinal, record)
    ON CONFLICT (session_id, ordinal) DO UPDATE SET record = EXCLUDED.record
), forgotten AS (
    DELETE FROM session_journal WHERE session_id = ANY($49::text[])
)
SELECT (SELECT count(*) FROM moved) + (SELECT count(*) FROM made)
