"""The schema's records, read once."""

from __future__ import annotations

from importlib import resources

import msgspec


class Method(msgspec.Struct, frozen=True):
    """One method: its parameters by name, and what it returns, all as type expressions."""

    returns: str
    required: dict[str, str] = {}
    optional: dict[str, str] = {}

    def parameter(self, name: str) -> str | None:
        """The type of a parameter, or None for one that the method does not have."""
        return self.required.get(name) or self.optional.get(name)


class Type(msgspec.Struct, frozen=True):
    """One type: an object with fields, or a union of other types."""

    required: dict[str, str] = {}
    optional: dict[str, str] = {}
    one_of: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    """Fields whose value is always the same; they tell the members of a union apart."""


class Schema(msgspec.Struct, frozen=True):
    """One version of the Bot API."""

    version: str
    released: str
    source: str
    methods: dict[str, Method]
    types: dict[str, Type]


SCHEMA = msgspec.json.decode(resources.files(__package__).joinpath("bot_api.json").read_bytes(), type=Schema)
