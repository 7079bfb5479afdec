"""What people do, one module for each kind of act.

Each act changes the town, is written to the journal, and becomes an update for the bots that may hear it.
An act that Telegram's own apps would not offer raises `Impossible` with the reason.
"""
