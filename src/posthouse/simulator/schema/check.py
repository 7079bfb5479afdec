"""Holds values against the schema, strictly: a missing field, an unknown field and a wrong type are problems.

Client libraries forgive fields that they do not know, so a misspelt one passes them unseen. It does not pass
here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from posthouse.simulator.schema.load import SCHEMA, Type

_SCALARS: dict[str, Callable[[object], bool]] = {
    "Integer": lambda value: type(value) is int,
    "Float": lambda value: type(value) in (int, float),
    "String": lambda value: type(value) is str,
    "Boolean": lambda value: type(value) is bool,
    "True": lambda value: value is True,
}


def problems_of_result(method: str, result: object) -> list[str]:
    """What is wrong with a result of that method; empty when nothing is."""
    return problems(result, SCHEMA.methods[method].returns, method)


def problems(value: object, expression: str, where: str = "value") -> list[str]:
    """What is wrong with a value (of JSON, decoded) that is declared as that type."""
    options = _options(expression)
    if len(options) > 1:
        return _fewest([problems(value, option, where) for option in options])
    expression = options[0]
    if expression.startswith("["):
        if not isinstance(value, list):
            return [f"{where}: {_shown(value)} is no array"]
        return [found for at, item in enumerate(value) for found in problems(item, expression[1:-1], f"{where}[{at}]")]
    if expression in _SCALARS:
        return [] if _SCALARS[expression](value) else [f"{where}: {_shown(value)} is no {expression}"]
    return _problems_of_object(value, expression, where)


@cache
def _options(expression: str) -> tuple[str, ...]:
    """The alternatives of `A | B`; an array is one alternative, whatever is in it."""
    return (expression,) if expression.startswith("[") else tuple(expression.split(" | "))


def _problems_of_object(value: object, name: str, where: str) -> list[str]:
    declared = SCHEMA.types[name]
    if declared.one_of:
        return _fewest([problems(value, member, where) for member in _candidates(value, declared)])
    if not isinstance(value, dict):
        return [f"{where}: {_shown(value)} is no {name}"]
    found = [f"{where}: {name} lacks {field}" for field in declared.required if field not in value]
    for field, item in value.items():
        expected = declared.required.get(field) or declared.optional.get(field)
        constant = declared.constants.get(field, item)
        if expected is None:
            found.append(f"{where}: {name} has no field {field}")
        elif item != constant:
            found.append(f"{where}.{field}: {_shown(item)} is not {constant!r}, as it always is in {name}")
        else:
            found += problems(item, expected, f"{where}.{field}")
    return found


def _candidates(value: object, union: Type) -> tuple[str, ...]:
    """The members that a value may be by its constants, or all when none fits."""
    if not isinstance(value, dict):
        return union.one_of
    fitting = (name for name in union.one_of if name in SCHEMA.types and _fits(value, SCHEMA.types[name]))
    return tuple(fitting) or union.one_of


def _fits(value: dict[str, object], member: Type) -> bool:
    return all(value.get(field) == constant for field, constant in member.constants.items())


def _fewest(alternatives: list[list[str]]) -> list[str]:
    return min(alternatives, key=len)


def _shown(value: object) -> str:
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:57]}..."
