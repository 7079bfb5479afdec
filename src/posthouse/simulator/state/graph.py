"""Any graph of the simulator's own records as plain values, and back.

Generic, so that a new field of a new record is kept without a line here: a record is its class and its fields; a
record that is met twice is written once and referred to by number, so that circles are no trouble. Nothing is run
on the way back (no `__init__`, no `__setstate__`), and only classes of `posthouse.simulator` are made, so that a
file from somebody else can at worst be refused.

| value | as |
|---|---|
| None, bool, int, float, str, bytes, list, dict with plain keys | itself |
| a record of ours, dice (`random.Random`) | `{"$": number}` |
| other dict, tuple, set, frozenset, deque, enum | `{"$dict": …}` and so on |
| something the world has anyway (the journal) | `{"$known": name}` |

Left out, and made anew: fields that only a running process can have (`Bell`, futures, tasks, events).
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import random
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from posthouse.simulator.journal import Bell

PACKAGE = "posthouse.simulator."
RUNTIME = (Bell, asyncio.Future, asyncio.Event)
"""What only a running process can have. Fields of these types start anew."""
_RUNTIME_ANNOTATION = re.compile(r"\b(Bell|asyncio\.(Future|Task|Event))\b")
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_SIMPLE = _PLAIN - {int}
_INT64 = 2**63
_Plan = tuple[int, tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
"""Number of the class, names of its fields, and how to read them."""


class Unsavable(TypeError):
    """A value that cannot be kept; the message says which."""


class Unreadable(ValueError):
    """Kept values that do not fit this program; the message says why."""


@dataclasses.dataclass(slots=True)
class Flat:
    """A graph as plain values, independent of the records it was made of."""

    classes: list[list[Any]]
    """Name and names of fields, by number."""
    objects: list[list[Any]]
    """Number of the class, then the values of its fields."""
    root: Any


class Flattener:
    """Writes one graph down."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = {id(thing): name for name, thing in known.items()}
        self._numbers: dict[int, int] = {}
        self._found: list[object] = []
        self._classes: dict[tuple[type, tuple[str, ...]], int] = {}
        self._plans: dict[type, _Plan] = {}

    def flatten(self, root: object) -> Flat:
        """The graph below a value, or raise Unsavable."""
        flat = Flat([], [], self._value(root))
        at = 0
        while at < len(self._found):
            flat.objects.append(self._fields(self._found[at]))
            at += 1
        flat.classes = [[f"{kind.__module__}:{kind.__qualname__}", list(names)] for kind, names in self._classes]
        return flat

    def _fields(self, thing: object) -> list[Any]:
        kind = type(thing)
        if isinstance(thing, random.Random):
            return [self._class_number(kind, ("state",)), self._value(thing.getstate())]
        plan = self._plans.get(kind) or self._plan(thing)
        number, names, reader = plan
        fields: list[Any] = [number]
        known = self._numbers
        # Written out, since a town has a million fields: most are plain, empty, or a record that was met before.
        for value in reader(thing):
            value_kind = type(value)
            if value_kind in _SIMPLE or (value_kind is int and -_INT64 <= value < _INT64):
                fields.append(value)
            elif (seen := known.get(id(value))) is not None:
                fields.append({"$": seen})
            elif value_kind is list and not value:
                fields.append([])
            else:
                try:
                    fields.append(self._value(value))
                except Unsavable as error:
                    raise Unsavable(f"{kind.__qualname__}.{names[len(fields) - 1]}: {error}") from None
        return fields

    def _plan(self, thing: object) -> _Plan:
        """How records of this class are read; for a plain object, how this one is."""
        kind = type(thing)
        if dataclasses.is_dataclass(kind):
            names = saved_fields(kind)
            plan = self._plans[kind] = (self._class_number(kind, names), names, _reader(names))
            return plan
        names = _attributes(thing)
        return self._class_number(kind, names), names, _reader(names)

    def _class_number(self, kind: type, names: tuple[str, ...]) -> int:
        return self._classes.setdefault((kind, names), len(self._classes))

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value if kind is not int or -_INT64 <= value < _INT64 else {"$int": str(value)}
        if kind is list:
            return [self._value(item) for item in value]
        if kind is dict:
            return self._dict(value)
        if (name := self._known.get(id(value))) is not None:
            return {"$known": name}
        if kind in _WRITERS:
            tag, items = _WRITERS[kind](value)
            return {tag: [self._value(item) for item in items]}
        if isinstance(value, enum.Enum):
            return {"$enum": [f"{kind.__module__}:{kind.__qualname__}", value.name]}
        if not kind.__module__.startswith(PACKAGE) and kind is not random.Random:
            raise Unsavable(f"{kind.__module__}.{kind.__qualname__} is neither plain nor a record of the simulator")
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._found)
            self._found.append(value)
        return {"$": number}

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        for key in value:
            kind = type(key)
            if not ((kind is str and not key.startswith("$")) or (kind is int and -_INT64 <= key < _INT64)):
                return {"$dict": [[self._value(key), self._value(item)] for key, item in value.items()]}
        return {key: item if type(item) is str else self._value(item) for key, item in value.items()}


_WRITERS: dict[type, Callable[[Any], tuple[str, Any]]] = {
    tuple: lambda value: ("$tuple", value),
    set: lambda value: ("$set", value),
    frozenset: lambda value: ("$frozenset", value),
    deque: lambda value: ("$deque", [value.maxlen, *value]),
    bytearray: lambda value: ("$bytearray", [bytes(value)]),
}
_READERS: dict[str, Callable[[list[Any]], Any]] = {
    "$int": lambda items: int("".join(items)),
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$deque": lambda items: deque(items[1:], maxlen=items[0]),
    "$bytearray": lambda items: bytearray(items[0]),
    "$dict": lambda items: {key: value for key, value in items},  # noqa: C416  # `dict` would take longer pairs
}


def saved_fields(kind: type) -> tuple[str, ...]:
    """The names of a record's fields that are kept."""
    return tuple(field.name for field in dataclasses.fields(kind) if not _RUNTIME_ANNOTATION.search(str(field.type)))


def _attributes(thing: object) -> tuple[str, ...]:
    """The names of what a plain object holds."""
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()) if hasattr(thing, name)]
    names += getattr(thing, "__dict__", ())
    return tuple(name for name in names if not isinstance(getattr(thing, name), RUNTIME))


def _reader(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """All fields at once; `attrgetter` gives a tuple only for two names and more."""
    if len(names) >= 2:
        return attrgetter(*names)
    return lambda thing: tuple(getattr(thing, name) for name in names)


def rebuild(flat: Flat, known: Mapping[str, object]) -> Any:
    """The graph again, made of new records; or raise Unreadable."""
    try:
        return _Rebuilder(flat, known).root()
    except Unreadable:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"the kept town is damaged ({type(error).__name__}: {error})") from None


class _Rebuilder:
    def __init__(self, flat: Flat, known: Mapping[str, object]) -> None:
        self._known = known
        self._flat = flat
        self._classes = [(find_class(name), names) for name, names in flat.classes]
        self._objects: list[Any] = [_blank(self._classes[fields[0]][0]) for fields in flat.objects]

    def root(self) -> Any:
        for number, thing in enumerate(self._objects):
            self._fill(thing, self._flat.objects[number])
        return self._value(self._flat.root)

    def _fill(self, thing: Any, fields: list[Any]) -> None:
        kind, names = self._classes[fields[0]]
        if isinstance(thing, random.Random):
            thing.setstate(self._value(fields[1]))
            return
        for name, value in zip(names, fields[1:], strict=True):
            object.__setattr__(thing, name, value if type(value) in _PLAIN else self._value(value))
        if dataclasses.is_dataclass(kind):
            for field in dataclasses.fields(kind):
                if field.name not in names:
                    object.__setattr__(thing, field.name, _default(kind, field))

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is list:
            return [self._value(item) for item in value]
        if len(value) == 1:
            ((tag, inner),) = value.items()
            if tag == "$":
                return self._objects[inner]
            if tag == "$known":
                return self._known[inner]
            if tag == "$enum":
                return find_class(inner[0])[inner[1]]  # type: ignore[index]  # an Enum, or a TypeError
            if tag in _READERS:
                return _READERS[tag]([self._value(item) for item in inner])
        return {key: item if type(item) is str else self._value(item) for key, item in value.items()}


def find_class(name: str) -> type:
    """A class of the simulator (or the dice) by `module:name`, or raise Unreadable."""
    if name == "random:Random":
        return random.Random
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module) if module.startswith(PACKAGE) else None
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or found.__module__ != module or issubclass(found, BaseException):
        raise Unreadable(f"it holds a {name!r}, which this program does not have")
    return found


def _default(kind: Any, field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise Unreadable(f"its {kind.__qualname__} has no {field.name!r}")


def _blank(kind: type) -> Any:
    """A record without its fields; dice are of a class that cannot be made that way."""
    return random.Random() if kind is random.Random else object.__new__(kind)
