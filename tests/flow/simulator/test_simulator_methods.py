"""Every implemented method through a real client (aiogram), and the errors of the catalogue."""

from __future__ import annotations

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    ForceReply,
    InlineQueryResultArticle,
    InputTextMessageContent,
    ReplyParameters,
)
from simulator_stage import TOKEN, aiogram_bot, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person, Town


async def test_get_me_describes_the_bot(bot: Bot, town: Town) -> None:
    """A bot appears with its first call, and the control API can name it."""
    assert (await bot.get_me()).id == 4242
    await town.bot(TOKEN, first_name="Psyche", username="psyche_bot")
    me = await bot.get_me()
    assert (me.first_name, me.username, me.can_read_all_group_messages) == ("Psyche", "psyche_bot", False)


async def test_a_sent_message_is_seen_by_the_person(bot: Bot, ann: Person) -> None:
    """The message has its text, its buttons and the number that the bot was told."""
    sent = await bot.send_message(ann.id, "Hello <b>Ann</b>", parse_mode="HTML", reply_markup=buttons([("Go", "go")]))
    seen = await ann.chat_with(TOKEN).shows("Hello Ann")
    assert (seen.id, seen.button_texts) == (sent.message_id, ["Go"])
    assert sent.entities is not None
    assert [(e.type, e.offset, e.length) for e in sent.entities] == [("bold", 6, 3)]


async def test_a_reply_refers_to_its_message(bot: Bot, ann: Person) -> None:
    """`reply_parameters` must name a message of the chat, unless it may be missing."""
    said = await ann.says("question", to=TOKEN)
    answer = await bot.send_message(
        ann.id, "answer", reply_parameters=ReplyParameters(message_id=said.id), reply_markup=ForceReply()
    )
    assert answer.reply_to_message is not None
    assert answer.reply_to_message.text == "question"
    with pytest.raises(TelegramBadRequest, match="message to be replied not found"):
        await bot.send_message(ann.id, "answer", reply_parameters=ReplyParameters(message_id=999))
    lenient = ReplyParameters(message_id=999, allow_sending_without_reply=True)
    assert (await bot.send_message(ann.id, "answer", reply_parameters=lenient)).reply_to_message is None


async def test_an_edit_changes_what_the_person_sees(bot: Bot, ann: Person) -> None:
    """Text and buttons change in place; the same content again is refused."""
    chat = ann.chat_with(TOKEN)
    sent = await bot.send_message(ann.id, "one", reply_markup=buttons([("A", "a")]))
    await bot.edit_message_text("two", chat_id=ann.id, message_id=sent.message_id, reply_markup=buttons([("B", "b")]))
    await chat.hides("one")
    assert (await chat.shows("two")).button_texts == ["B"]
    await bot.edit_message_reply_markup(chat_id=ann.id, message_id=sent.message_id)
    assert (await chat.shows("two")).button_texts == []
    with pytest.raises(TelegramBadRequest, match="message is not modified: specified new message content and"):
        await bot.edit_message_text("two", chat_id=ann.id, message_id=sent.message_id)


async def test_only_own_text_messages_can_be_edited(bot: Bot, ann: Person) -> None:
    """A missing, a foreign and a captioned message are each refused in their own words."""
    said = await ann.says("mine", to=TOKEN)
    file = await bot.send_document(ann.id, BufferedInputFile(b"x", "x.txt"))
    for message_id, text in (
        (999, "message to edit not found"),
        (said.id, "message can't be edited"),
        (file.message_id, "there is no text in the message to edit"),
    ):
        with pytest.raises(TelegramBadRequest, match=text):
            await bot.edit_message_text("new", chat_id=ann.id, message_id=message_id)


async def test_a_deleted_message_is_gone(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """Deleting works once and within 48 hours."""
    sent = await bot.send_message(ann.id, "soon gone")
    old = await bot.send_message(ann.id, "stays")
    await bot.delete_message(ann.id, sent.message_id)
    await ann.chat_with(TOKEN).hides("soon gone")
    with pytest.raises(TelegramBadRequest, match="message to delete not found"):
        await bot.delete_message(ann.id, sent.message_id)
    await clock.advance(49 * 3600)
    with pytest.raises(TelegramBadRequest, match="message can't be deleted"):
        await bot.delete_message(ann.id, old.message_id)


async def test_a_press_is_answered_once_and_in_time(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """A second or a late answer is told that the query is too old."""
    await bot.send_message(ann.id, "Pay?", reply_markup=buttons([("Pay", "pay:1")], [("No", "no")]))
    press = await ann.presses("Pay", on=TOKEN)
    update = (await bot.get_updates())[-1]
    assert update.callback_query is not None
    assert (update.callback_query.data, update.callback_query.id) == ("pay:1", press.id)
    await bot.answer_callback_query(press.id, "Thank you", show_alert=True)
    assert await press.answer() == {"text": "Thank you", "show_alert": True, "url": ""}
    late = await ann.presses(data="no", on=TOKEN)
    await clock.advance(151)
    for query_id in (press.id, late.id, "1"):
        with pytest.raises(TelegramBadRequest, match="query is too old and response timeout expired or query ID"):
            await bot.answer_callback_query(query_id)


async def test_inline_queries_get_results(bot: Bot, ann: Person) -> None:
    """What the bot answers is what the person is offered."""
    asked = await ann.asks_inline("cats", bot=TOKEN)
    content = InputTextMessageContent(message_text="A cat")
    await bot.answer_inline_query(
        asked.id, [InlineQueryResultArticle(id="1", title="Cat", input_message_content=content)]
    )
    assert [result["title"] for result in (await asked.answer())["results"]] == ["Cat"]


async def test_an_agreed_checkout_becomes_a_payment(bot: Bot, ann: Person) -> None:
    """After the bot agrees, the payment arrives as a service message of the chat."""
    checkout = await ann.checks_out("plan-1", bot=TOKEN, amount=250)
    asked = (await bot.get_updates())[-1]
    assert asked.pre_checkout_query is not None
    assert asked.pre_checkout_query.total_amount == 250
    await bot.answer_pre_checkout_query(checkout.id, ok=True)
    paid = (await bot.get_updates(offset=asked.update_id + 1))[-1]
    assert paid.message is not None
    assert paid.message.successful_payment is not None
    assert paid.message.successful_payment.invoice_payload == "plan-1"


async def test_a_checkout_has_ten_seconds(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """An answer after the deadline moves no money."""
    checkout = await ann.checks_out("plan-1", bot=TOKEN, amount=250)
    await clock.advance(11)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_pre_checkout_query(checkout.id, ok=True)


async def test_commands_are_kept_by_scope_and_language(bot: Bot) -> None:
    """Each language has its own list."""
    await bot.set_my_commands([BotCommand(command="start", description="Begin")], language_code="en")
    assert [c.command for c in await bot.get_my_commands(language_code="en")] == ["start"]
    assert await bot.get_my_commands() == []


async def test_chats_can_be_read(bot: Bot, ann: Person, town: Town) -> None:
    """getChat knows private chats and groups."""
    group = await town.group("Crew", people=[ann], bots=[TOKEN])
    assert (await bot.get_chat(ann.id)).first_name == "Ann"
    assert (await bot.get_chat(group.id)).title == "Crew"
    assert await bot.send_chat_action(ann.id, "typing")
    with pytest.raises(TelegramBadRequest, match="wrong parameter action in request"):
        await bot.send_chat_action(ann.id, "dancing")


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({}, "Bad Request: message text is empty"),
        ({"text": " \n"}, "Bad Request: text must be non-empty"),
        ({"text": "x" * 4097}, "Bad Request: message is too long"),
        ({"text": "x" * 32_769}, "Bad Request: text is too long"),
        ({"text": "x"}, "Bad Request: chat_id is empty"),
        ({"text": "x", "chat_id": 7}, "Bad Request: chat not found"),
        ({"text": "x", "parse_mode": "BBCode"}, "Bad Request: unsupported parse_mode"),
        (
            {"text": "<b>x", "parse_mode": "html"},
            "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        (
            {"text": "é<x>y", "parse_mode": "html"},
            'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 2',
        ),
        ({"text": "x", "reply_markup": "[]"}, "Bad Request: object expected as reply markup"),
        (
            {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]}},
            "Bad Request: BUTTON_DATA_INVALID",
        ),
    ],
)
async def test_bad_messages_are_refused(sim: Simulator, fields: dict[str, object], description: str) -> None:
    """The text is the server's own; content and markup are looked at before the chat."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{sim.url}/bot{TOKEN}/sendMessage", json=fields) as response:
            answer = await response.json()
    assert (response.status, answer) == (400, {"ok": False, "error_code": 400, "description": description})


async def test_unknown_and_unimplemented_methods_fail_loudly(sim: Simulator, bot: Bot, ann: Person) -> None:
    """A method without behaviour is an honest 501, a method that does not exist is 404."""
    with pytest.raises(TelegramAPIError, match="the simulator has no behaviour for setPassportDataErrors yet"):
        await bot.set_passport_data_errors(ann.id, [])
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sim.url}/bot{TOKEN}/sendNonsense") as response,
    ):
        assert (response.status, (await response.json())["description"]) == (
            404,
            "Not Found: method not found",
        )
    async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/elsewhere") as response:
        assert response.status == 404


async def test_arguments_are_read_leniently(sim: Simulator, ann: Person) -> None:
    """Method names ignore case; query, form and JSON are alike; an object may be text; extras are ignored."""
    markup = '{"inline_keyboard":[[{"text":"A","callback_data":"a"}]]}'
    url = f"{sim.url}/bot{TOKEN}/SENDMESSAGE"
    async with aiohttp.ClientSession() as session:
        for request in (
            session.get(url, params={"chat_id": f"{ann.id}", "text": "hi", "reply_markup": markup, "x": "y"}),
            session.post(url, data={"chat_id": f"{ann.id}", "text": "hi", "reply_markup": markup}),
            session.post(url, json={"chat_id": ann.id, "text": "hi", "reply_markup": markup}),
            session.post(f"{sim.url}/bot{TOKEN}/", json={"method": "sendMessage", "chat_id": ann.id, "text": "hi"}),
        ):
            async with request as response:
                assert (await response.json())["result"]["text"] == "hi"


async def test_tokens_are_checked() -> None:
    """Another token of a known bot and, in strict mode, an unknown bot are unauthorized; what is no token is 404."""
    async with Simulator(strict_bots=True) as sim, Town(sim.url) as town:
        await town.bot("7:right")
        async with aiohttp.ClientSession() as session:
            for token, description in (
                ("nonsense", "Not Found"),
                ("07:x", "Not Found"),
                ("7:wrong", "Unauthorized"),
                ("8:x", "Unauthorized"),
            ):
                async with session.get(f"{sim.url}/bot{token}/getMe") as response:
                    status = 404 if description == "Not Found" else 401
                    assert (response.status, (await response.json())["description"]) == (status, description)
        async with aiogram_bot(sim, "7:wrong") as bot:
            with pytest.raises(TelegramUnauthorizedError):
                await bot.get_me()


async def test_a_person_who_blocked_the_bot_hears_nothing(bot: Bot, ann: Person) -> None:
    """Sending is 403 until the person unblocks; both are my_chat_member updates."""
    await ann.blocks(TOKEN)
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await bot.send_message(ann.id, "still there?")
    await ann.unblocks(TOKEN)
    await bot.send_message(ann.id, "welcome back")
    changes = [u.my_chat_member for u in await bot.get_updates()]
    assert [c.new_chat_member.status for c in changes if c is not None] == ["kicked", "member"]


async def test_a_stranger_cannot_be_written_to(bot: Bot, town: Town, ann: Person) -> None:
    """A person who never wrote is not found; one known from a group cannot be addressed first."""
    bob = await town.person("Bob")
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(bob.id, "hi")
    await town.group("Crew", people=[ann, bob], bots=[TOKEN])
    with pytest.raises(TelegramForbiddenError, match="bot can't initiate conversation with a user"):
        await bot.send_message(bob.id, "hi")


async def test_a_migrated_group_names_its_successor(bot: Bot, town: Town, ann: Person) -> None:
    """Writing to the old id is refused with the new one; both chats say what happened."""
    group = await town.group("Crew", people=[ann], bots=[TOKEN])
    new = await group.migrates(by=ann)
    with pytest.raises(TelegramMigrateToChat) as refused:
        await bot.send_message(group.id, "hello?")
    assert refused.value.migrate_to_chat_id == new.id
    await bot.send_message(new.id, "hello")
    await new.shows("hello")
    services = [u.message for u in await bot.get_updates() if u.message]
    assert services[0].group_chat_created
    assert [m.migrate_to_chat_id or m.migrate_from_chat_id for m in services[1:]] == [new.id, group.id]


async def test_in_groups_a_bot_hears_what_is_for_it(bot: Bot, town: Town, ann: Person) -> None:
    """Privacy mode lets through its commands and replies to it; an administrator hears everything."""
    await bot.get_me()
    group = await town.group("Crew", people=[ann], bots=[TOKEN])
    await bot.delete_webhook(drop_pending_updates=True)  # it heard that the group was created
    mine = await bot.send_message(group.id, "I am here")
    await ann.says("just talking", to=group)
    await ann.says("/help@sim4242bot", to=group)
    await ann.says("/help@other_bot", to=group)
    spoken = next(m for m in await group.messages() if m.id == mine.message_id)
    await ann.says("you there", to=group, reply_to=spoken)
    open_group = await town.group("All", kind="supergroup", people=[ann], bots=[TOKEN], admins=[TOKEN])
    await ann.says("hear me", to=open_group)
    heard = [u.message.text for u in await bot.get_updates() if u.message]
    assert heard == ["/help@sim4242bot", "you there", "hear me"]


async def test_a_person_edits_a_message(bot: Bot, ann: Person) -> None:
    """The edit is an update of its own; an edit without a change is none."""
    said = await ann.says("teh", to=TOKEN)
    await ann.edits(said, "the")
    await ann.edits(said, "the")
    kinds = [update.event_type for update in await bot.get_updates()]
    assert kinds == ["message", "edited_message"]
