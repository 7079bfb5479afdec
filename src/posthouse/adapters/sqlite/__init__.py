"""One process on one SQLite file: the default store. Open `store.py` first."""

from posthouse.adapters.sqlite.settings import SqliteSettings
from posthouse.adapters.sqlite.store import SqliteStore

__all__ = ["SqliteSettings", "SqliteStore"]
