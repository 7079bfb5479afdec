"""One integer for one thing: how (bot, lane) and (bot, entry) are packed into SQLite's 64-bit keys.

    lane   bot_no << 53 | (lane  + 2**52)      53 bits: Telegram ids have at most 52 significant bits
    entry  bot_no << 42 | (entry + 2**41)      42 bits: events below, updates above, order kept

`bot_no` is the bot's row in the table `bot`, at most 1,023 of them in one file. A packed entry is the rowid of the
inbox: one b-tree is storage, order and the memory of what was seen.
"""

from __future__ import annotations

from posthouse.core.entries import EVENT_FLOOR

BOTS_MAX = 1023
_LANE_BITS = 53
_LANE_ZERO = 2**52
_LANE_MASK = 2**53 - 1
_ENTRY_BITS = 42
_ENTRY_MASK = 2**42 - 1


def pack_lane(bot_no: int, lane: int) -> int:
    return bot_no << _LANE_BITS | (lane + _LANE_ZERO)


def unpack_lane(packed: int) -> tuple[int, int]:
    """(bot_no, lane)"""
    return packed >> _LANE_BITS, (packed & _LANE_MASK) - _LANE_ZERO


def pack_entry(bot_no: int, entry_id: int) -> int:
    return bot_no << _ENTRY_BITS | (entry_id - EVENT_FLOOR)


def unpack_entry(packed: int) -> tuple[int, int]:
    """(bot_no, entry_id)"""
    return packed >> _ENTRY_BITS, (packed & _ENTRY_MASK) + EVENT_FLOOR
