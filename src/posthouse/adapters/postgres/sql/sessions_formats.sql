-- How presses of the last $1 seconds named their sessions.
SELECT flow_kind, event, format, count(*)
  FROM session_event
 WHERE format <> '' AND at >= now() - $1::float8 * interval '1 second'
 GROUP BY flow_kind, event, format
 ORDER BY flow_kind, event, format
