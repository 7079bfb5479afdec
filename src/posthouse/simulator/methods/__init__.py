"""What each Bot API method does, one small function per method; the table is in `table.py`."""
