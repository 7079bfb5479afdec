"""The store on PostgreSQL 14 or newer: many processes on one database."""

from posthouse.adapters.postgres.settings import PostgresSettings
from posthouse.adapters.postgres.store import PostgresStore, migrate

__all__ = ["PostgresSettings", "PostgresStore", "migrate"]
