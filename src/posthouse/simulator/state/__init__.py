"""Keeping a town: as a named snapshot in memory, or in a file that outlives the process.

    World ─► graph.flatten ─► plain values ─► town_file (msgpack, replaced atomically)
    World ◄─ graph.rebuild ◄─ plain values ◄─ snapshot or file

What is kept: people, bots, webhooks, chats, messages, files, pending updates, queries, faults, limits, the dice
and how far the clock is from real time. What is not: the journal's events and the calls (their numbering goes on),
and whoever was waiting.
"""
