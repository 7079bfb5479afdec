"""What people did, as a file that can be played again.

    people act ─► control API ─► Recorder ─► Scenario ─► a file ─► replay ─► control API ─► the same answers?

A scenario holds what was *done* (every request that changes something: people, messages, presses, payments, moves of
the clock, faults) and what the bots *answered* to it. Replayed, each act is done again and each answer waited for.
"""
