-- A new worker incarnation.   rows: its id
INSERT INTO worker (locked, name) VALUES ($1, $2) RETURNING id
