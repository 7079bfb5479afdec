"""Results of every method that has behaviour: by the schema, by aiogram's models, and as updates."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiogram.methods
import aiogram.types
import aiohttp
import pytest
from method_examples import EXAMPLES, Stage, open_stage
from pydantic import TypeAdapter
from simulator_stage import TOKEN

from posthouse.simulator.methods.table import METHODS
from posthouse.simulator.schema import SCHEMA, problems, problems_of_result

_CLASSES = {
    method.__api_method__: method
    for method in (getattr(aiogram.methods, name) for name in aiogram.methods.__all__)
    if isinstance(getattr(method, "__api_method__", None), str)
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


async def example(stage: Stage, name: str) -> dict[str, Any]:
    """The parameters of a method's example, with what they need in place."""
    given = EXAMPLES[name]
    return dict(given) if isinstance(given, dict) else await given(stage)


def test_every_method_with_behaviour_has_an_example() -> None:
    """A new method brings an example call to `method_examples.py`."""
    assert sorted(set(METHODS) - set(EXAMPLES)) == []
    assert sorted(set(EXAMPLES) - set(SCHEMA.methods)) == []


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) & set(METHODS)))
async def test_results_are_what_the_schema_and_aiogram_expect(stage: Stage, name: str) -> None:
    """The result of the example, of each call it needed, and every update on the way are exactly of their types."""
    await stage.call(name, **await example(stage, name))
    for method, result in stage.results:
        assert problems_of_result(method, result) == []
        TypeAdapter(_CLASSES[method].__returning__).validate_python(result)
    updates = stage.sim.world.town.bot_by_token(TOKEN).queue.read(0, 100)
    for update in updates:
        raw = json.loads(update.body)
        assert problems(raw, "Update") == []
        aiogram.types.Update.model_validate(raw)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) & set(METHODS)))
async def test_what_is_required_is_required(stage: Stage, name: str) -> None:
    """Without a required parameter a method refuses, and never fails."""
    parameters = await example(stage, name)
    async with aiohttp.ClientSession() as http:
        for missing in SCHEMA.methods[name].required:
            if (name, missing) in _FORGIVEN:
                continue
            rest = {key: value for key, value in parameters.items() if key != missing and not isinstance(value, bytes)}
            async with http.post(f"{stage.sim.url}/bot{TOKEN}/{name}", json=rest) as response:
                answer = await response.json()
            assert not answer["ok"], (missing, answer)
            assert answer["error_code"] in (400, 403), (missing, answer)


_FORGIVEN = {
    ("setWebhook", "url"),  # an empty URL removes the webhook
    ("answerInlineQuery", "results"),  # none is an empty answer
    ("editUserStarSubscription", "is_canceled"),  # a flag that is absent is false
    ("setChatAdministratorCustomTitle", "custom_title"),  # an empty title removes it
    ("setChatStickerSet", "sticker_set_name"),  # any name is taken for that of a set
}
"""Parameters that the documentation calls required and the server does not miss."""
