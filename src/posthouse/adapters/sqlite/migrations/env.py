"""Alembic's entry point: runs on the connection that `adapters.migrations` passes in."""

from alembic import context

from posthouse.adapters.migrations import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True, version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
