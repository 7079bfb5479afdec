"""Random calls of the Bot API: any method, parameters that are nearly right or not at all, in any encoding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from posthouse.simulator.schema import SCHEMA

TEXTS = (
    "",
    " ",
    "hello",
    "/start@sim4242bot x",
    "<b>bold</b>",
    "<b>open",
    "*bold* _it_ `c` [a](http://b.c)",
    "**>",
    "||",
    "👩‍👩‍👧 😀",
    "\u0000\u200b\u202e",
    "x" * 5000,
    "null",
    "true",
    "1",
    "-7",
    "0x10",
    "9" * 60,
    "attach://file",
    "attach://",
    "http://127.0.0.1:9/a.png",
    "HTML",
    "MarkdownV2",
    "[]",
    "{}",
    "[[[]]]",
    "[" * 300,
    '{"a":' * 150 + "1" + "}" * 150,
    '"\\ud800"',
    "@ann",
    "XTR",
    "typing",
    "🎲",
)
NUMBERS = (0, 1, 2, 3, -1, 7, 42, 100, 4242, 2**31, 2**53, 2**63, -(2**63), 10**30, 1.5, -0.0, 1e300)
JUNK: tuple[Any, ...] = (None, True, False, [], {}, [None], {"": {}}, [[]], [{}], {"type": "photo"}, *NUMBERS)
WEIGHTED_METHODS = tuple(name for name in SCHEMA.methods if name != "logOut")  # after it nothing is answered


@dataclass(frozen=True)
class AnyCall:
    """One HTTP request, and how it was meant."""

    method: str
    verb: str
    path: str
    query: bytes
    content_type: str
    body: bytes
    parameters: dict[str, Any]


class AnyCalls:
    """Makes calls from a seed. `known` has values that exist in the town, by the parameter's name."""

    def __init__(self, dice: Random, methods: tuple[str, ...], known: dict[str, tuple[Any, ...]]) -> None:
        self.dice = dice
        self.methods = methods
        self.known = known

    def make(self) -> AnyCall:
        dice = self.dice
        name = dice.choice(self.methods) if dice.random() < 0.9 else dice.choice(WEIGHTED_METHODS)
        method = SCHEMA.methods[name]
        parameters: dict[str, Any] = {}
        for field, expression in method.required.items():
            if dice.random() < 0.93:
                parameters[field] = self.value(field, expression)
        for field, expression in method.optional.items():
            if dice.random() < 0.15:
                parameters[field] = self.value(field, expression)
        if dice.random() < 0.05:
            parameters[dice.choice(TEXTS) or "x"] = self.junk()
        if name == "getUpdates":
            parameters["timeout"] = 0  # nobody moves the clock
        written = dice.choice((name, name, name.lower(), name.upper()))
        return self.request(name, written, parameters)

    def value(self, field: str, expression: str, depth: int = 0) -> Any:
        """Something for a parameter or field: mostly of its type, sometimes not."""
        dice = self.dice
        if dice.random() < 0.08:
            return self.junk()
        if field in self.known and dice.random() < 0.85:
            return dice.choice(self.known[field])
        if expression.startswith("["):
            count = dice.choice((0, 1, 1, 2, 3)) if depth < 3 else 0
            return [self.value(field, expression[1:-1], depth + 1) for _ in range(count)]
        option = dice.choice(expression.split(" | "))
        if option == "Integer":
            return dice.choice(NUMBERS[:8]) if dice.random() < 0.8 else dice.choice(NUMBERS)
        if option == "Float":
            return dice.uniform(-200, 200)
        if option in ("Boolean", "True"):
            return dice.random() < 0.8
        if option == "String":
            return dice.choice(TEXTS)
        return self.record(option, depth)

    def record(self, name: str, depth: int) -> Any:
        """An object of that type, with some of its fields."""
        dice, declared = self.dice, SCHEMA.types[name]
        if declared.one_of:
            return self.value("", dice.choice(declared.one_of), depth + 1) if depth < 4 else {}
        record: dict[str, Any] = {}
        for field, expression in declared.required.items():
            if dice.random() < 0.95:
                record[field] = declared.constants.get(field) or self.value(field, expression, depth + 1)
        for field, expression in declared.optional.items():
            if depth < 3 and dice.random() < 0.15:
                record[field] = self.value(field, expression, depth + 1)
        return record

    def junk(self) -> Any:
        return self.dice.choice(JUNK) if self.dice.random() < 0.6 else self.dice.choice(TEXTS)

    def request(self, name: str, written: str, parameters: dict[str, Any]) -> AnyCall:
        """The call in one of the encodings, now and then broken on the way."""
        dice = self.dice
        kind = dice.choice(("json", "json", "form", "query", "multipart"))
        flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
        verb, query, content_type, body = "POST", b"", "", b""
        if kind == "json":
            content_type, body = "application/json; charset=utf-8", json.dumps(parameters).encode()
        elif kind == "form":
            content_type, body = "application/x-www-form-urlencoded", urlencode(flat).encode()
        elif kind == "query":
            verb, query = "GET", urlencode(flat).encode()
        else:
            content_type, body = "multipart/form-data; boundary=b", self.multipart(flat)
        if dice.random() < 0.04:
            body = self.broken(body)
        if dice.random() < 0.02:
            query += b"&text=" + quote_from_bytes(b"\xff\xfe\xed\xa0\x80").encode()
        return AnyCall(name, verb, written, query, content_type, body, parameters)

    def multipart(self, flat: dict[str, str]) -> bytes:
        parts = []
        for key, value in flat.items():
            upload = value.startswith("attach://") or self.dice.random() < 0.1
            head = f'Content-Disposition: form-data; name="{key}"' + ('; filename="a.png"' if upload else "")
            parts.append(f"--b\r\n{head}\r\n\r\n{value}\r\n")
        parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nGIF89a\r\n')
        return ("".join(parts) + "--b--\r\n").encode("utf-8", "surrogatepass")

    def broken(self, body: bytes) -> bytes:
        at = self.dice.randrange(len(body) + 1)
        return self.dice.choice((body[:at], body[:at] + b"\xff\x00" + body[at:], body + body))
