-- End the backend $2 that still holds the lock of worker $1 though its client side broke.
-- A pid that has passed to somebody else is told by the lock, which that one does not hold.
SELECT pg_terminate_backend(l.pid, 2000)
  FROM pg_locks l
  JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
 WHERE l.locktype = 'advisory' AND l.classid = 7419 AND l.objid = $1::bigint AND l.objsubid = 2
   AND l.granted AND l.pid = $2
