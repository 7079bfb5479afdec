"""Derives the simulator's schema of the Bot API from aiogram's source distribution.

    python scripts/derive_schema.py            # write src/posthouse/simulator/schema/bot_api.json
    python scripts/derive_schema.py --check    # say whether it would change

aiogram (MIT, (c) 2017-present Alex Root Junior) keeps what Telegram's page says as JSON under `.butcher/`. The
source distribution comes from the address and with the hash that `uv.lock` pins, and is kept in `.cache/`. Prose
is left out; three things are read from it: what a method returns, the members of a union, and the constant that
tells the members apart.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import sys
import tarfile
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parent.parent
TARGET = CHECKOUT / "src" / "posthouse" / "simulator" / "schema" / "bot_api.json"
SCALARS = {"Integer", "String", "Boolean", "True", "Float"}

# What only prose says, and says too freely to be read by a rule.
UNIONS = {"InputFile": ["String"], "RichText": ["String", "[RichText]"]}
"""Members besides the listed ones: a file is a part's name, a rich text is a string, a list or an object."""

_RETURNED = re.compile(r"[Rr]eturn")
_MEMBER = re.compile(r"^ - (\w+)$", re.MULTILINE)
_CONSTANT = re.compile(r", (?:must be|always) ['“\"]?(\w+)['”\"]?(?:$|\.|,)")


def pinned_sdist() -> tuple[str, str, str]:
    """Version, address and SHA-256 of aiogram's source distribution in `uv.lock`."""
    lock = tomllib.loads((CHECKOUT / "uv.lock").read_text())
    (package,) = [package for package in lock["package"] if package["name"] == "aiogram"]
    return package["version"], package["sdist"]["url"], package["sdist"]["hash"].removeprefix("sha256:")


def fetch() -> bytes:
    """The pinned archive, from `.cache/` or the registry; or raise OSError, or ValueError for another archive."""
    version, url, sha256 = pinned_sdist()
    kept = CHECKOUT / ".cache" / f"aiogram-{version}.tar.gz"
    if kept.exists() and hashlib.sha256(kept.read_bytes()).hexdigest() == sha256:
        return kept.read_bytes()
    with urllib.request.urlopen(url, timeout=60) as response:
        archive: bytes = response.read()
    if hashlib.sha256(archive).hexdigest() != sha256:
        raise ValueError(f"{url} is not what uv.lock pins")
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(archive)
    return archive


def derive(archive: bytes) -> str:
    """The schema as the text of its file."""
    entities: dict[str, dict[str, Any]] = {"methods": {}, "types": {}}
    about: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = member.name.split("/")[1:]
            if path[:1] != [".butcher"] or not (content := tar.extractfile(member)):
                continue
            if path[1] in entities and path[-1] == "entity.json":
                entity = json.load(content)["object"]
                entities[path[1]][entity["name"]] = entity
            elif path[1:] == ["schema", "schema.json"]:
                about = json.load(content)["api"]
    types = entities["types"]
    schema = {
        "version": about["version"],
        "released": about["release_date"],
        "source": f"aiogram {pinned_sdist()[0]}, .butcher (MIT, (c) 2017-present Alex Root Junior)",
        "methods": {name: _method(entity, types) for name, entity in sorted(entities["methods"].items())},
        "types": {name: _type(entity) for name, entity in sorted(types.items())},
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _method(entity: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    return {"returns": _returns(entity, types), **_fields(entity)}


def _type(entity: dict[str, Any]) -> dict[str, Any]:
    members = _MEMBER.findall(entity["description"])
    members += UNIONS.get(entity["name"], [])
    if members and not entity["annotations"]:
        return {"one_of": members}
    constants = {
        field["name"]: found[1]
        for field in entity["annotations"]
        if field["type"] == "String" and (found := _CONSTANT.search(field["description"]))
    }
    return {**_fields(entity), **({"constants": constants} if constants else {})}


def _fields(entity: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Required and optional fields apart, each with its type."""
    fields: dict[str, dict[str, str]] = {"required": {}, "optional": {}}
    for field in entity["annotations"]:
        fields["required" if field["required"] else "optional"][field["name"]] = expression(field["type"])
    return {group: members for group, members in fields.items() if members}


def _returns(entity: dict[str, Any], types: dict[str, Any]) -> str:
    """What the prose says is returned: the types it names in the sentences about returning."""
    sentences = re.split(r"(?<=\.)\s|\n", entity["description"])
    words = " ".join(sentence for sentence in sentences if _RETURNED.search(sentence))
    found = re.findall(r"(?:Array of )?\b[A-Z]\w+", words)
    named = [expression(word) for word in found if (bare := word.removeprefix("Array of ")) in types or bare in SCALARS]
    if not named:
        raise ValueError(f"{entity['name']}: what it returns cannot be read from {words!r}")
    if "otherwise True" in words:
        return f"{named[0]} | True"
    return named[0]


def expression(prose: str) -> str:
    """`Array of Integer or String` as `[Integer | String]`."""
    if prose.startswith("Array of "):
        return f"[{expression(prose.removeprefix('Array of '))}]"
    return " | ".join(re.split(r", | and | or ", prose.replace("Float number", "Float")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the file would change")
    options = parser.parse_args()
    schema = derive(fetch())
    if options.check:
        return int(TARGET.read_text() != schema)
    TARGET.write_text(schema)
    return 0


if __name__ == "__main__":
    sys.exit(main())
