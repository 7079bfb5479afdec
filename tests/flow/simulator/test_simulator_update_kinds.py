"""Every kind of update that the simulator makes, and the real ones of the corpus, against schema and models."""

from __future__ import annotations

import json

import pytest
from aiogram.types import Update
from method_examples import open_stage
from update_acts import ACTS, CORPUS, borrowed, hear_everything

from posthouse.simulator.schema import SCHEMA, problems
from posthouse.simulator.updates import KINDS

FORGIVEN = ("False is no True",)
"""What the published fixtures do and the real server does not: flags that are false are there."""


@pytest.mark.parametrize("kind", ACTS)
async def test_what_people_do_becomes_an_update(kind: str) -> None:
    """The act makes an update of its kind, and all updates on the way are exactly of their types."""
    async with open_stage() as stage:
        hear_everything(stage)
        await ACTS[kind](stage)
        updates = await stage.updates()
    assert kind in {name for update in updates for name in update}
    for update in updates:
        assert problems(update, "Update") == []
        Update.model_validate(update)


def test_every_kind_is_known() -> None:
    """The kinds that the queue keeps and orders are those of the schema."""
    fields = {*SCHEMA.types["Update"].required, *SCHEMA.types["Update"].optional} - {"update_id"}
    assert set(KINDS) == fields
    assert fields == {*ACTS, *borrowed()}


def test_the_corpus_reparses() -> None:
    """Each valid update of the corpus passes aiogram's models, and comes back from them as it went in."""
    lines = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    valid = [line["update"] for line in lines if line["valid"]]
    assert len(valid) == 171
    for update in valid:
        parsed = Update.model_validate(update)
        again = json.loads(parsed.model_dump_json(exclude_none=True, by_alias=True))
        assert Update.model_validate(again) == parsed
        wrong = [found for found in problems(update, "Update") if not found.endswith(FORGIVEN)]
        assert [found for found in wrong if "has no field" not in found] == []
