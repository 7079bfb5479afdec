"""What happens to a message: replies and quotes, edits, copies, forwards, pins, reactions, drafts, deletion."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    BufferedInputFile,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    ReactionTypeEmoji,
    ReplyParameters,
    Update,
)
from method_examples import png
from simulator_stage import TOKEN, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person, Town, TownError


async def updates(bot: Bot, *kinds: str) -> list[Update]:
    """What waits for the bot; kinds that are not told by default are asked for first."""
    return await bot.get_updates(allowed_updates=list(kinds) or None)


async def refused(sim: Simulator, method: str, **fields: Any) -> str:
    """The description of a call's refusal."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{sim.url}/bot{TOKEN}/{method}", json=fields) as response:
            answer = await response.json()
    assert not answer["ok"], answer
    return str(answer["description"]).removeprefix("Bad Request: ")


# Text.


async def test_formatted_text_is_the_same_for_all(bot: Bot, ann: Person) -> None:
    """What the bot is told is what the person sees, and a mention by link has the whole user."""
    sent = await bot.send_message(
        ann.id, f"*Hi* [you](tg://user?id={ann.id}), [who](tg://user?id=1)?", parse_mode="MarkdownV2"
    )
    seen = await ann.chat_with(TOKEN).shows("Hi you, who?")
    assert sent.entities is not None
    assert [(e.type, e.offset, e.length) for e in sent.entities] == [("bold", 0, 2), ("text_mention", 3, 3)]
    assert sent.entities[1].user is not None
    assert sent.entities[1].user.first_name == "Ann"
    assert [entity["type"] for entity in seen.entities] == ["bold", "text_mention"]


async def test_a_person_formats_and_mentions(bot: Bot, ann: Person) -> None:
    """A client that formats sends entities; links are found in what people write too."""
    await ann.says("<b>look</b> at example.com", to=TOKEN, parse_mode="HTML")
    message = (await updates(bot))[-1].message
    assert message is not None
    assert message.entities is not None
    assert [(e.type, e.offset) for e in message.entities] == [("bold", 0), ("url", 8)]


async def test_preview_options_are_shown_when_they_differ(bot: Bot, ann: Person) -> None:
    """Switching the preview off is shown when there is a link, and is kept with the message."""
    off = LinkPreviewOptions(is_disabled=True)
    linked = await bot.send_message(ann.id, "see example.com", link_preview_options=off)
    plain = await bot.send_message(ann.id, "see nothing", link_preview_options=off)
    assert linked.link_preview_options is not None
    assert linked.link_preview_options.is_disabled
    assert plain.link_preview_options is None


# Replies.


async def test_a_quote_is_an_exact_part_of_the_message(sim: Simulator, bot: Bot, ann: Person) -> None:
    """With its styles, at the place nearest to the given one; anything else is refused."""
    said = await ann.says("tea or <b>tea</b> or coffee", to=TOKEN, parse_mode="HTML")
    reply = ReplyParameters(message_id=said.id, quote="*tea*", quote_parse_mode="MarkdownV2")
    answer = await bot.send_message(ann.id, "fine", reply_parameters=reply)
    assert answer.quote is not None
    assert (answer.quote.text, answer.quote.position, answer.quote.is_manual) == ("tea", 7, True)
    seen = await ann.chat_with(TOKEN).shows("fine")
    assert seen.quote is not None
    assert (seen.reply_to, seen.quote.text) == (said.id, "tea")
    for quote in ("milk", "tea or tea"):
        parameters = {"message_id": said.id, "quote": quote}
        assert await refused(sim, "sendMessage", chat_id=ann.id, text="x", reply_parameters=parameters) == (
            "QUOTE_TEXT_INVALID"
        )


async def test_a_person_answers_with_a_quote(bot: Bot, ann: Person) -> None:
    """The bot is told what was quoted."""
    await bot.send_message(ann.id, "red or blue?")
    asked = await ann.chat_with(TOKEN).shows("red or blue?")
    await ann.says("that one", to=TOKEN, reply_to=asked, quote="blue")
    message = (await updates(bot))[-1].message
    assert message is not None
    assert message.quote is not None
    assert (message.quote.text, message.quote.position) == ("blue", 7)
    with pytest.raises(TownError, match="does not contain 'green'"):
        await ann.says("hm", to=TOKEN, reply_to=asked, quote="green")


async def test_a_reply_may_be_in_another_chat(bot: Bot, ann: Person, town: Town) -> None:
    """It then shows where the message was from and its beginning, and is never lenient."""
    club = await town.group("Club", people=[ann], bots=[TOKEN], kind="supergroup", admins=[TOKEN])
    said = await ann.says("hear me", to=club)
    answer = await bot.send_message(
        ann.id, "heard", reply_parameters=ReplyParameters(message_id=said.id, chat_id=club.id)
    )
    assert answer.reply_to_message is None
    assert answer.external_reply is not None
    assert answer.external_reply.chat is not None
    assert (answer.external_reply.chat.id, answer.external_reply.message_id) == (club.id, said.id)
    assert answer.quote is not None
    assert (answer.quote.text, answer.quote.is_manual) == ("hear me", None)
    lenient = ReplyParameters(message_id=999, chat_id=club.id, allow_sending_without_reply=True)
    with pytest.raises(TelegramBadRequest, match="message to be replied not found"):
        await bot.send_message(ann.id, "x", reply_parameters=lenient)


# Edits.


async def test_captions_and_media_are_edited(bot: Bot, ann: Person) -> None:
    """A caption changes alone, and media change with their caption; a text message has neither."""
    sent = await bot.send_photo(ann.id, BufferedInputFile(png(), "a.png"), caption="one")
    changed = await bot.edit_message_caption(chat_id=ann.id, message_id=sent.message_id, caption="two")
    assert isinstance(changed, Message)
    assert (changed.caption, changed.photo) == ("two", sent.photo)
    assert changed.edit_date is not None
    new = InputMediaPhoto(media=BufferedInputFile(png(40, 30), "b.png"), caption="three")
    replaced = await bot.edit_message_media(new, chat_id=ann.id, message_id=sent.message_id)
    assert isinstance(replaced, Message)
    assert replaced.photo is not None
    assert (replaced.caption, replaced.photo[-1].width) == ("three", 40)
    text = await bot.send_message(ann.id, "text")
    with pytest.raises(TelegramBadRequest, match="there is no caption in the message to edit"):
        await bot.edit_message_caption(chat_id=ann.id, message_id=text.message_id, caption="x")
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await bot.edit_message_caption(chat_id=ann.id, message_id=sent.message_id, caption="three")


async def test_a_text_too_long_after_parsing_is_refused(sim: Simulator, ann: Person, bot: Bot) -> None:
    """Marks do not count; sending and editing refuse in different words."""
    fits = await bot.send_message(ann.id, f"<b>{'x' * 4096}</b>", parse_mode="HTML")
    assert await refused(sim, "sendMessage", chat_id=ann.id, text="x" * 4097) == "message is too long"
    edit = {"chat_id": ann.id, "message_id": fits.message_id, "text": "x" * 4097}
    assert await refused(sim, "editMessageText", **edit) == "MESSAGE_TOO_LONG"


# Copies and forwards.


async def test_a_forward_says_where_it_is_from(bot: Bot, ann: Person, town: Town) -> None:
    """A copy does not; a forward of a forward names the first source; neither keeps the buttons."""
    club = await town.group("Club", people=[ann], bots=[TOKEN], kind="supergroup", admins=[TOKEN])
    said = await ann.says("pass it on", to=TOKEN)
    forwarded = await bot.forward_message(club.id, ann.id, said.id)
    again = await bot.forward_message(ann.id, club.id, forwarded.message_id)
    assert forwarded.forward_origin == again.forward_origin
    assert forwarded.forward_origin is not None
    assert forwarded.forward_origin.type == "user"
    pressed = await bot.send_message(ann.id, "with buttons", reply_markup=buttons([("A", "a")]))
    copied = await bot.copy_message(club.id, ann.id, pressed.message_id)
    seen = next(m for m in await club.messages() if m.id == copied.message_id)
    assert (seen.text, seen.button_texts, seen.origin) == ("with buttons", [], None)


async def test_several_messages_are_forwarded_in_order(sim: Simulator, bot: Bot, ann: Person, town: Town) -> None:
    """What is missing is passed over; the numbers must rise."""
    club = await town.group("Club", people=[ann], bots=[TOKEN], admins=[TOKEN])
    ids = [(await bot.send_message(ann.id, text)).message_id for text in ("one", "two")]
    assert len(await bot.forward_messages(club.id, ann.id, [*ids, 9999])) == 2
    assert len(await bot.copy_messages(club.id, ann.id, ids)) == 2
    call = {"chat_id": club.id, "from_chat_id": ann.id}
    assert await refused(sim, "copyMessages", **call, message_ids=ids[::-1]) == (
        "message identifiers must be in a strictly increasing order"
    )
    assert await refused(sim, "forwardMessages", **call, message_ids=[9999]) == "messages to forward not found"
    assert await refused(sim, "forwardMessages", **call, message_ids=list(range(1, 102))) == (
        "too many message identifiers specified"
    )


async def test_protected_content_stays_where_it_is(bot: Bot, ann: Person, town: Town) -> None:
    """Neither the bot nor a person can take it elsewhere."""
    club = await town.group("Club", people=[ann], bots=[TOKEN], admins=[TOKEN])
    sent = await bot.send_message(ann.id, "secret", protect_content=True)
    assert sent.has_protected_content
    for take in (bot.forward_message, bot.copy_message):
        with pytest.raises(TelegramBadRequest, match=r"message can't be (forwarded|copied)"):
            await take(club.id, ann.id, sent.message_id)
    with pytest.raises(TownError, match="protected"):
        await ann.forwards(await ann.chat_with(TOKEN).shows("secret"), to=club)


async def test_a_person_forwards_to_a_bot(bot: Bot, ann: Person, town: Town) -> None:
    """The bot learns who wrote it first."""
    bob = await town.person("Bob")
    club = await town.group("Club", people=[ann, bob], bots=[])
    await ann.forwards(await bob.says("hello", to=club), to=TOKEN)
    message = (await updates(bot))[-1].message
    assert message is not None
    assert message.forward_origin is not None
    assert message.forward_origin.type == "user"
    assert (message.text, message.from_user and message.from_user.id) == ("hello", ann.id)


# Pins, reactions, deletion.


async def test_pins_are_kept_and_announced(bot: Bot, ann: Person) -> None:
    """getChat shows the newest pinned message; pinning leaves a service message."""
    first, second = [(await bot.send_message(ann.id, text)).message_id for text in ("one", "two")]
    for message_id in (second, first):
        await bot.pin_chat_message(ann.id, message_id)
    chat = await ann.chat_with(TOKEN).read()
    assert chat.pinned == [first, second]
    assert [m.pinned for m in chat.messages if m.id in (first, second)] == [True, True]
    pinned = (await bot.get_chat(ann.id)).pinned_message
    assert isinstance(pinned, Message)
    assert pinned.message_id == second
    service = (await updates(bot))[-1].message
    assert service is not None
    assert isinstance(service.pinned_message, Message)
    assert service.pinned_message.text == "one"
    await bot.unpin_chat_message(ann.id)
    assert (await ann.chat_with(TOKEN).read()).pinned == [first]
    await bot.unpin_all_chat_messages(ann.id)
    with pytest.raises(TelegramBadRequest, match="message to unpin not found"):
        await bot.unpin_chat_message(ann.id)


async def test_reactions_are_told_to_those_who_asked(bot: Bot, ann: Person) -> None:
    """A person's change is one update with before and after; the bot's own is none."""
    await updates(bot, "message", "message_reaction")
    sent = await bot.send_message(ann.id, "well?")
    seen = await ann.chat_with(TOKEN).shows("well?")
    await bot.set_message_reaction(ann.id, sent.message_id, [ReactionTypeEmoji(emoji="👀")])
    await ann.reacts(seen, "❤️")
    both = await ann.reacts(seen, "👍")
    changes = [u.message_reaction for u in await updates(bot) if u.message_reaction]
    assert [[r.emoji for r in c.new_reaction if r.type == "emoji"] for c in changes] == [["❤"], ["👍"]]
    assert changes[1].old_reaction == changes[0].new_reaction
    assert [(r.emoji, r.by) for r in both.reactions] == [("👀", [4242]), ("👍", [ann.id])]


async def test_reactions_in_a_channel_are_counted(bot: Bot, ann: Person, town: Town) -> None:
    """There nobody is named."""
    await updates(bot, "message_reaction_count", "message_reaction")
    channel = await town.group("News", people=[ann], bots=[TOKEN], kind="channel", admins=[TOKEN])
    await bot.send_message(channel.id, "news")
    await ann.reacts(await channel.shows("news"), "🔥")
    counts = (await updates(bot))[-1].message_reaction_count
    assert counts is not None
    assert [count.total_count for count in counts.reactions] == [1]


@pytest.mark.parametrize(
    ("reaction", "error"),
    [
        ([{"type": "emoji", "emoji": "🚗"}], "REACTION_INVALID"),
        ([{"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "👎"}], "REACTIONS_TOO_MANY"),
        ([{"type": "custom_emoji", "custom_emoji_id": "5"}], "REACTION_INVALID"),
        ({"type": "emoji"}, "expected an Array of ReactionType"),
    ],
)
async def test_bad_reactions_are_refused(sim: Simulator, bot: Bot, ann: Person, reaction: object, error: str) -> None:
    """A bot has one reaction per message, from the list of emoji that are reactions."""
    sent = await bot.send_message(ann.id, "well?")
    call = {"chat_id": ann.id, "message_id": sent.message_id, "reaction": reaction}
    assert await refused(sim, "setMessageReaction", **call) == error


async def test_many_messages_are_deleted_at_once(sim: Simulator, bot: Bot, ann: Person, clock: MovableClock) -> None:
    """Those too old are passed over; a person's own deletion is told to nobody."""
    old = await bot.send_message(ann.id, "old")
    await clock.advance(49 * 3600)
    new = await bot.send_message(ann.id, "new")
    assert await bot.delete_messages(ann.id, [old.message_id, new.message_id, 9999])
    mine = await ann.says("mine", to=TOKEN)
    await ann.deletes(mine)
    assert [m.text for m in await ann.chat_with(TOKEN).messages() if m.text in ("old", "new", "mine")] == ["old"]
    assert await refused(sim, "deleteMessages", chat_id=ann.id, message_ids="x") != ""


async def test_a_dice_cannot_be_taken_back_at_once(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """In a private chat it stays for a day."""
    dice = await bot.send_dice(ann.id)
    with pytest.raises(TelegramBadRequest, match="message can't be deleted"):
        await bot.delete_message(ann.id, dice.message_id)
    await clock.advance(25 * 3600)
    assert await bot.delete_message(ann.id, dice.message_id)


# What lasts a moment.


async def test_a_draft_grows_and_can_be_stopped(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """Stop is an update; a draft ends with the bot's message, or after half a minute."""
    chat = ann.chat_with(TOKEN)
    for text in ("", "Let me", "Let me *think*"):
        await bot.send_message_draft(ann.id, 7, text=text, parse_mode="MarkdownV2", can_stop=True)
    (draft,) = (await chat.read()).drafts
    assert (draft.text, draft.changes, [e["type"] for e in draft.entities]) == ("Let me think", 2, ["bold"])
    await ann.stops(TOKEN)
    stopped = (await updates(bot))[-1].stopped_message_generation
    assert stopped is not None
    assert (stopped.draft_id, stopped.chat.id) == (7, ann.id)
    await bot.send_message_draft(ann.id, 7, text="Let me think more", can_stop=True)
    assert (await chat.read()).drafts == []
    await bot.send_message_draft(ann.id, 8, text="Other")
    await clock.advance(31)
    assert (await chat.read()).drafts == []
    await bot.send_message_draft(ann.id, 9, text="Final")
    await bot.send_message(ann.id, "Final answer")
    assert (await chat.read()).drafts == []
    with pytest.raises(TownError, match="no draft in this chat has a Stop button now"):
        await ann.stops(TOKEN)


async def test_typing_ends_by_itself_or_with_the_message(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """Five seconds, or until the bot speaks."""
    chat = ann.chat_with(TOKEN)
    await bot.send_chat_action(ann.id, "typing")
    assert [action.kind for action in (await chat.read()).actions] == ["typing"]
    await clock.advance(6)
    assert (await chat.read()).actions == []
    await bot.send_chat_action(ann.id, "upload_photo")
    await bot.send_message(ann.id, "done")
    assert (await chat.read()).actions == []
