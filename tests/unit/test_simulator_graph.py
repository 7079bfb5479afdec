"""Keeping a town: any graph of records goes to plain values and back, and every record of the town can."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import random
import sys
import textwrap
import types
import typing
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec
import pytest

import posthouse.simulator.server  # noqa: F401  # every record's module is loaded by it
from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.faults import FaultRule
from posthouse.simulator.floods import Bucket, Floods
from posthouse.simulator.journal import Bell, Journal
from posthouse.simulator.state.graph import Flat, Flattener, Unreadable, Unsavable, rebuild, saved_fields
from posthouse.simulator.town import Query, Town
from posthouse.simulator.updates import UpdateQueue

PLAIN = {None, type(None), bool, int, float, str, bytes, typing.Any, object}
CONTAINERS = {list, dict, tuple, set, frozenset, deque}
KNOWN = {Journal, random.Random}


def carried(root: object) -> typing.Any:
    """The graph after a way through bytes."""
    flat = Flattener({}).flatten(root)
    packed = msgspec.msgpack.encode([flat.classes, flat.objects, flat.root])
    return rebuild(Flat(*msgspec.msgpack.decode(packed)), {})


def test_plain_values_and_containers_come_back_as_they_were() -> None:
    """Types are kept, also of what msgpack does not know."""
    dice = random.Random(7)
    value = {
        "plain": [None, True, 1, -1.5, "text", b"\x00bytes", 2**80, -(2**70)],
        "tuple": (1, (2, 3)),
        "sets": [{1, 2}, frozenset({"a"})],
        "deque": deque([1, 2, 3], maxlen=5),
        "keys": {(1, "a"): "tuple", 5: "int", "$": "escaped", "$tuple": "too"},
        "$": {"$dict": 1},
        "dice": dice,
    }
    back = carried(value)
    assert back.pop("dice").random() == value.pop("dice").random()  # type: ignore[attr-defined]
    assert back == value
    assert back["deque"].maxlen == 5


def test_records_keep_their_identity_and_their_circles() -> None:
    """A record that is met twice is one record afterwards; a chain as long as you like does not end the stack."""
    ann = Person(1, "Ann")
    chat = Chat(1, "private", {7: Bot(7, "7:x", "Bot", "bot", UpdateQueue(random.Random(1)))}, {1: ann})
    previous: Message | None = None
    for number in range(1, 5000):
        previous = Message(number, chat, ann, 0, "text", reply_to=previous)
        chat.keep(previous)
    back = carried({"newest": previous, "chat": chat})
    assert back["newest"].chat is back["chat"]
    assert back["chat"].messages[2].reply_to is back["chat"].messages[1]
    assert back["chat"].person is back["newest"].sender


def test_dice_that_are_shared_stay_shared() -> None:
    """The town's dice are one, whoever throws them."""
    dice = random.Random(1)
    first, second = carried([UpdateQueue(dice), UpdateQueue(dice)])
    assert first.dice is second.dice
    assert first.dice.random() == dice.random()


def test_what_runs_is_made_anew() -> None:
    """Bells and waiting pollers are not kept; the record has fresh ones."""
    bot = Bot(7, "7:x", "Bot", "bot", UpdateQueue(random.Random(1)))
    back = carried(bot)
    assert isinstance(back.bell, Bell)
    assert back.line.waiting is None
    assert "bell" not in saved_fields(Bot)


def test_dice_of_a_rule_go_on_where_they_were() -> None:
    """A fault with a probability falls the same after a restart."""
    rule = FaultRule(1, "500", probability=0.5, seed=3)
    rule.dice.random()
    assert carried(rule).dice.random() == rule.dice.random()


def test_a_field_that_is_new_gets_its_default() -> None:
    """A town kept before a field existed is read; a field without a default is refused by name."""
    flat = Flattener({}).flatten(Person(1, "Ann"))
    flat.classes[0][1].remove("bio")
    at = saved_fields(Person).index("bio") + 1
    del flat.objects[0][at]
    assert rebuild(flat, {}).bio == ""
    flat.classes[0][1].remove("first_name")
    del flat.objects[0][saved_fields(Person).index("first_name") + 1]
    with pytest.raises(Unreadable, match="Person has no 'first_name'"):
        rebuild(flat, {})


def test_only_records_of_the_simulator_are_kept_and_made() -> None:
    """Neither a foreign object goes in, nor does a foreign class come out of a file."""
    with pytest.raises(Unsavable, match=r"Person\.bio: .*function"):
        carried(Person(1, "Ann", bio=lambda: ""))  # type: ignore[arg-type]
    for name in ("builtins:object", "posthouse.simulator.state.graph:Unsavable", "posthouse.simulator.town:re", "os:x"):
        with pytest.raises(Unreadable, match="does not have"):
            rebuild(Flat([[name, []]], [[0]], {"$": 0}), {})


@pytest.mark.parametrize("root", [{"$": 3}, {"$tuple": 3}, {"$known": "nobody"}, {"$enum": ["x:y", "z"]}])
def test_damage_is_told_and_not_followed(root: object) -> None:
    """Whatever stands in the file, the answer is Unreadable."""
    with pytest.raises(Unreadable):
        rebuild(Flat([], [], root), {})


# The whole town.


def fields_of(kind: type) -> Iterator[tuple[str, typing.Any]]:
    """Name and type of everything that a record of the simulator keeps."""
    if dataclasses.is_dataclass(kind):
        by_name = {record.__name__: record for record in records()}  # for what is imported only for its type
        hints = typing.get_type_hints(kind, localns=by_name | vars(sys.modules[kind.__module__]))
        yield from ((name, hints[name]) for name in saved_fields(kind))
        return
    module = vars(sys.modules[kind.__module__])
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    (made,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    arguments = {argument.arg: argument.annotation for argument in (*made.args.args, *made.args.kwonlyargs)}
    for node in ast.walk(made):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not (isinstance(target, ast.Attribute) and isinstance(node, ast.Assign | ast.AnnAssign)):
            continue
        annotation = node.annotation if isinstance(node, ast.AnnAssign) else None
        if annotation is None and isinstance(node.value, ast.Name):
            annotation = arguments[node.value.id]
        if annotation is not None:
            yield target.attr, eval(ast.unparse(annotation), module)
        elif isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            yield target.attr, module[node.value.func.id]
        else:
            assert isinstance(node.value, ast.Constant | ast.Call), f"annotate {kind.__name__}.{target.attr}"


def records() -> Iterator[type]:
    """Every dataclass of the simulator."""
    for name, module in list(sys.modules.items()):
        if name.startswith("posthouse.simulator."):
            for kind in vars(module).values():
                if isinstance(kind, type) and kind.__module__ == name and dataclasses.is_dataclass(kind):
                    yield kind


def is_like(record: type, protocol: type) -> bool:
    """Whether a record has all that a protocol asks for, by name."""
    wanted = {name for name in (*vars(protocol), *inspect.get_annotations(protocol)) if not name.startswith("_")}
    return wanted <= {*dir(record), *(field.name for field in dataclasses.fields(record))}


def records_in(hint: typing.Any, where: str) -> Iterable[type]:
    """The records that a field of this type can hold, or fail for what cannot be kept."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.TypeVar) or hint in PLAIN or origin is typing.Literal:
        return
    if origin in (typing.Union, types.UnionType) or origin in CONTAINERS:
        for argument in arguments:
            if argument is not ...:
                yield from records_in(argument, where)
    elif hint in CONTAINERS or hint in KNOWN:
        return
    elif getattr(hint, "_is_protocol", False):
        found = [record for record in records() if is_like(record, hint)]
        assert found, f"{where}: nothing is a {hint}"
        yield from found
    else:
        assert isinstance(hint, type), f"{where}: {hint} cannot be kept"
        if issubclass(hint, enum.Enum):
            return
        assert hint.__module__.startswith("posthouse.simulator."), f"{where}: {hint} cannot be kept"
        yield hint


def test_every_record_of_the_town_can_be_kept() -> None:
    """From the town down, each field of each record is plain, a container, or such a record.

    A field that only a running process can have is one of `Bell`, `asyncio.Future`, `asyncio.Task`, `asyncio.Event`.
    """
    seen: set[type] = set()
    rest: list[type] = [Town, Floods]
    while rest:
        kind = rest.pop()
        if kind in seen:
            continue
        seen.add(kind)
        for name, hint in fields_of(kind):
            rest.extend(records_in(hint, f"{kind.__name__}.{name}"))
        rest.extend(record for record in records() if kind in record.__bases__)
    assert {Town, Bot, Chat, Message, Person, Query, UpdateQueue, FaultRule, Bucket} <= seen
