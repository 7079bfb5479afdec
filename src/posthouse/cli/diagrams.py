"""The flows of the bundled applications as pages, drawn from their tables: a page for each application, and a list.

    python -m posthouse.cli.diagrams        writes docs/flows

A page of an application that is not in `PAGES` any more goes; a page that somebody wrote by hand stays.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from posthouse.cli.flows import idle_of
from posthouse.core.sessions import Strategy
from posthouse.programs.app import App
from posthouse.programs.flows.flow import Flow

PAGES: Mapping[str, str] = {"stickers": "posthouse_apps.stickers:app"}
"""Which application each page shows: the page's name, and `module:object` of its `App`."""

FOLDER = Path("docs/flows")
MARK = "by `python -m posthouse.cli.diagrams`. Change that, not this. -->"
WHOSE = {
    Strategy.USER_IN_CHAT: "Each person has their own in each chat",
    Strategy.CHAT: "Everybody in a chat shares one",
    Strategy.GLOBAL_USER: "A person has one for all chats",
    Strategy.USER_IN_TOPIC: "Each person has their own in each topic of a chat",
    Strategy.CHAT_TOPIC: "Everybody in a topic of a chat shares one",
}


def render(apps: Mapping[str, str] = PAGES) -> dict[str, str]:
    """All pages by file name."""
    shown = {name: (reference, _app(reference)) for name, reference in apps.items()}
    pages = {f"{name}.md": _page(reference, app) for name, (reference, app) in shown.items()}
    return pages | {"README.md": "\n".join(_list({name: app for name, (_, app) in shown.items()})) + "\n"}


def write(folder: Path = FOLDER, apps: Mapping[str, str] = PAGES) -> None:
    """Write the pages, and remove what was generated there and is none of them."""
    pages = render(apps)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in pages and MARK in path.read_text(encoding="utf-8"):
            path.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def _app(reference: str) -> App:
    module, _, name = reference.partition(":")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, App), f"{reference} is a {type(found).__name__}, not an App"
    return found


def _list(apps: Mapping[str, App]) -> Iterator[str]:
    yield f"# Flows\n\n<!-- Generated from PAGES in src/posthouse/cli/diagrams.py {MARK}\n"
    yield "The dialogues of the bundled bots, drawn from the tables that run them. `posthouse flows diagram BOT`"
    yield "prints the picture of your own.\n"
    if not apps:
        yield "No bundled bot has flows yet."
        return
    yield "| bot | its flows |\n|---|---|"
    for name, app in apps.items():
        yield f"| [{name}]({name}.md) | {', '.join(app.flows)} |"


def _page(reference: str, app: App) -> str:
    parts = [f"# Flows of {app.name}\n\n<!-- Generated from {reference} {MARK}\n"]
    parts += [
        f"## {flow.name}\n\n{' '.join(_sentences(flow))}\n\n```mermaid\n{flow.diagram().rstrip()}\n```\n"
        for flow in app.flows.values()
    ]
    return "\n".join(parts)


def _sentences(flow: Flow) -> Iterator[str]:
    final = [state for state in flow.table.states if state in flow.table.final]
    ends = f"ends in {_either(final)}" if final else "does not end by itself"
    yield f"A session begins in {_either(flow.table.start)} and {ends}."
    idle = idle_of(flow)
    expires = f"it expires when nothing has happened to it for {idle}" if idle else "it does not expire"
    yield f"{WHOSE[flow.policy.strategy]}; {expires}."


def _either(states: list[str] | tuple[str, ...]) -> str:
    named = [f"`{state}`" for state in states]
    return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


if __name__ == "__main__":
    write()
