"""A simulated Telegram and its people, for bots written with aiogram."""

from posthouse.testing.fixtures import simulator, simulator_options, town

__all__ = ["simulator", "simulator_options", "town"]
