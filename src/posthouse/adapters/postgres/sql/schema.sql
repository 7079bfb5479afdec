-- The revision of this database.   Raises "undefined table" when it was never migrated.
SELECT version_num FROM posthouse_version
