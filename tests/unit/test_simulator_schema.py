"""The Bot API schema against aiogram's classes, and the strict check of values."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

import aiogram.methods
import aiogram.types
import pytest
from aiogram.types import TelegramObject

from posthouse.simulator.methods.table import GAPS, METHODS
from posthouse.simulator.schema import SCHEMA, problems, problems_of_result

USER = {"id": 1, "is_bot": False, "first_name": "Ann"}
CHAT = {"id": 1, "type": "private", "first_name": "Ann"}


def _method_classes() -> dict[str, Any]:
    classes = (getattr(aiogram.methods, name) for name in aiogram.methods.__all__)
    return {c.__api_method__: c for c in classes if isinstance(getattr(c, "__api_method__", None), str)}


def _types_of_aiogram(returning: Any) -> set[str]:
    """The names of the types in a return annotation, with an array in brackets."""
    origin = get_origin(returning)
    if origin in (Union, types.UnionType):
        return {name for option in get_args(returning) for name in _types_of_aiogram(option)}
    if origin is list:
        return {f"[{name}]" for name in _types_of_aiogram(get_args(returning)[0])}
    return {{bool: "True", int: "Integer", str: "String"}.get(returning) or returning.__name__}


def _types_of_schema(expression: str) -> set[str]:
    if expression.startswith("["):
        return {f"[{name}]" for name in _types_of_schema(expression[1:-1])}
    return {
        member
        for option in expression.split(" | ")
        for member in (SCHEMA.types.get(option) or _NONE).one_of or (option,)
    }


_NONE = types.SimpleNamespace(one_of=())


def test_the_methods_are_those_of_aiogram() -> None:
    """The schema has exactly the methods of the Bot API version that aiogram speaks; ours are among them."""
    assert set(SCHEMA.methods) == set(_method_classes())
    assert set(METHODS) <= set(SCHEMA.methods)
    assert set(GAPS) <= set(METHODS)


@pytest.mark.parametrize("name", sorted(SCHEMA.methods))
def test_a_method_is_that_of_aiogram(name: str) -> None:
    """Parameters and what is returned, which Telegram's page says in prose, are the ones of aiogram's classes."""
    declared, theirs = SCHEMA.methods[name], _method_classes()[name]
    fields = theirs.model_fields
    assert {*declared.required, *declared.optional} == set(fields)
    assert set(declared.required) == {field for field in fields if fields[field].is_required()}
    assert _types_of_schema(declared.returns) == _types_of_aiogram(theirs.__returning__)


def test_the_types_are_those_of_aiogram() -> None:
    """Every object of the schema has the fields of aiogram's class, by the names on the wire."""
    compared = 0
    for name, declared in SCHEMA.types.items():
        theirs = getattr(aiogram.types, name, None)
        if declared.one_of or not isinstance(theirs, type) or not issubclass(theirs, TelegramObject):
            continue
        fields = {info.alias or field for field, info in theirs.model_fields.items()}
        assert {*declared.required, *declared.optional} <= fields, name
        compared += 1
    assert compared > 330


def test_every_named_type_exists() -> None:
    """No field, union or result names a type that the schema does not have."""
    scalars = {"Integer", "Float", "String", "Boolean", "True"}
    expressions = [method.returns for method in SCHEMA.methods.values()]
    for declared in (*SCHEMA.methods.values(), *SCHEMA.types.values()):
        expressions += [*declared.required.values(), *declared.optional.values()]
    for union in SCHEMA.types.values():
        expressions += union.one_of
    named = {word for expression in expressions for word in expression.replace("|", " ").strip("[]").split()}
    assert named - scalars <= set(SCHEMA.types)


@pytest.mark.parametrize(
    ("value", "expression", "expected"),
    [
        (USER, "User", []),
        ({**USER, "nick": "A"}, "User", ["value: User has no field nick"]),
        ({"id": 1, "is_bot": False}, "User", ["value: User lacks first_name"]),
        ({**USER, "id": True}, "User", ["value.id: True is no Integer"]),
        (7, "User", ["value: 7 is no User"]),
        ([USER, {}], "[User]", [f"value[1]: User lacks {name}" for name in ("id", "is_bot", "first_name")]),
        (True, "Message | True", []),
        (False, "Message | True", ["value: False is no Message"]),
        ({"status": "left", "user": USER}, "ChatMember", []),
        ({"status": "member", "user": 1}, "ChatMember", ["value.user: 1 is no User"]),
        ({"date": 0, "chat": CHAT, "message_id": 4}, "MaybeInaccessibleMessage", []),
        (["a", {"type": "bold", "text": "b"}], "RichText", []),
        ({}, "[User]", ["value: {} is no array"]),
    ],
)
def test_a_value_is_held_against_its_type(value: object, expression: str, expected: list[str]) -> None:
    """A missing, unknown or wrong field is a problem that names its place; a right value has none."""
    assert problems(value, expression) == expected


def test_a_result_is_held_against_what_its_method_returns() -> None:
    """The problem of a result names the method."""
    assert problems_of_result("deleteMessage", True) == []
    assert problems_of_result("getMe", True) == ["getMe: True is no User"]
