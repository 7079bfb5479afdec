"""`inside/` runs in a pytest of its own, where `tests` is aiogram's package."""

collect_ignore = ["inside"]
