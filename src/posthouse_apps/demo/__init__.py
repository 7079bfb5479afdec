"""The demo: two small bots, people who write to them, and a process that may be killed at any time.

`workouts.py` and `survey.py` are ordinary bots, to be read first; the rest shows what becomes of them.
"""
