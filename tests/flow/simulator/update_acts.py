"""How each kind of update comes about: one act of people for every kind that the simulator can make.

To add a kind, add a line to `ACTS`. The order is that of a story: who blocks the bot does so last.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from method_examples import INVOICE, Stage, a_join_request, a_shipping_query, keyboard
from simulator_stage import TOKEN

from posthouse.simulator.updates import KINDS

CORPUS = Path(__file__).parents[2] / "corpus" / "updates.jsonl"


async def a_message(stage: Stage) -> None:
    await stage.ann.says("Hello 👋 https://example.org", to=TOKEN)


async def an_edit(stage: Stage) -> None:
    await stage.ann.edits(await stage.ann.says("tee", to=TOKEN), "tea")


async def a_post(stage: Stage) -> None:
    channel = await stage.town.group("News", people=[stage.ann], bots=[TOKEN], kind="channel", admins=[TOKEN])
    await stage.ann.edits(await stage.ann.says("Tea is out", to=channel), "Tea is back")


async def a_press(stage: Stage) -> None:
    await stage.sent(reply_markup=keyboard())
    await stage.ann.presses("Press", on=TOKEN)


async def an_inline_question(stage: Stage) -> None:
    await stage.ann.asks_inline("cats", bot=TOKEN)


async def a_wish_to_pay(stage: Stage) -> None:
    await stage.ann.checks_out("tea", bot=TOKEN, amount=5)


async def a_parcel(stage: Stage) -> None:
    await a_shipping_query(stage)


async def a_vote(stage: Stage) -> None:
    for anonymous in (True, False):
        options = [{"text": "Yes"}, {"text": "No"}]
        sent = await stage.sent("sendPoll", question="Tea?", options=options, is_anonymous=anonymous)
        chat = stage.ann.chat_with(TOKEN).ref
        await act(stage, f"/chats/{chat}/messages/{sent}/votes", person=stage.ann.id, options=[0])


async def a_reaction(stage: Stage) -> None:
    sent = await stage.sent()
    await react(stage, stage.ann.chat_with(TOKEN).ref, sent)


async def a_reaction_in_a_channel(stage: Stage) -> None:
    channel = await stage.town.group("Views", people=[stage.ann], bots=[TOKEN], kind="channel", admins=[TOKEN])
    await react(stage, channel.ref, (await stage.ann.says("Tea or coffee?", to=channel)).id)


async def a_stop(stage: Stage) -> None:
    await stage.call("sendMessageDraft", chat_id=stage.ann.id, draft_id=7, text="Let me th", can_stop=True)
    await act(stage, f"/chats/{stage.ann.chat_with(TOKEN).ref}/stops", person=stage.ann.id)


async def a_newcomer(stage: Stage) -> None:
    await stage.call("banChatMember", chat_id=stage.supergroup.id, user_id=stage.bob.id)


async def a_knock(stage: Stage) -> None:
    await a_join_request(stage)


async def a_subscription_that_ends(stage: Stage) -> None:
    link = await stage.call("createInvoiceLink", **INVOICE, subscription_period=2_592_000)
    await stage.ann.confirms(link)
    await stage.call("answerPreCheckoutQuery", pre_checkout_query_id=stage.query_id("pre_checkout_query"), ok=True)
    (subscription,) = await stage.ann.subscriptions()
    await stage.ann.cancels(subscription)


async def a_block(stage: Stage) -> None:
    await stage.ann.blocks(TOKEN)


ACTS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "message": a_message,
    "edited_message": an_edit,
    "channel_post": a_post,
    "edited_channel_post": a_post,
    "callback_query": a_press,
    "inline_query": an_inline_question,
    "shipping_query": a_parcel,
    "pre_checkout_query": a_wish_to_pay,
    "subscription": a_subscription_that_ends,
    "poll": a_vote,
    "poll_answer": a_vote,
    "message_reaction": a_reaction,
    "message_reaction_count": a_reaction_in_a_channel,
    "stopped_message_generation": a_stop,
    "chat_member": a_newcomer,
    "chat_join_request": a_knock,
    "my_chat_member": a_block,
}


async def act(stage: Stage, path: str, **body: Any) -> Any:
    """Something that people do and that the test client has no word for."""
    async with stage.http.post(f"{stage.sim.url}/sim/v1{path}", json=body) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


async def react(stage: Stage, chat: str, message_id: int) -> None:
    url = f"{stage.sim.url}/sim/v1/chats/{chat}/messages/{message_id}/reactions"
    async with stage.http.put(url, json={"person": stage.ann.id, "emoji": ["👍"]}) as response:
        assert response.status == 200, await response.text()


def hear_everything(stage: Stage) -> None:
    """Let the bot have every kind of update."""
    stage.sim.world.town.bot_by_token(TOKEN).allowed_updates = frozenset(KINDS)


def borrowed() -> dict[str, Any]:
    """A real update for each kind that no act makes, taken from the corpus: kind and payload."""
    updates = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    found = {kind: u["update"][kind] for u in updates if u["valid"] for kind in u["update"] if kind in KINDS}
    return {kind: payload for kind, payload in found.items() if kind not in ACTS}
