"""Alembic's entry point for the PostgreSQL scripts; run only through `posthouse.adapters.migrations`."""

from alembic import context

from posthouse.adapters.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
