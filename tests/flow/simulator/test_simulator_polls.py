"""Polls: what bots may ask, what people choose, what bots hear, and how polls end."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BufferedInputFile, InputMediaPhoto, InputPollOption, Message, Poll, Update
from pictures_stage import picture
from simulator_stage import TOKEN, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person, Town, TownError


class Voting:
    """People vote over the control API."""

    def __init__(self, sim: Simulator) -> None:
        self.url = f"{sim.url}/sim/v1/chats"

    async def vote(self, person: Person, message: Message, *options: int) -> dict[str, Any]:
        chat = person.chat_with(TOKEN).ref
        body = {"person": person.id, "options": options}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/{chat}/messages/{message.message_id}/votes", json=body) as answer,
        ):
            seen: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise TownError(seen["detail"])
            return seen


@pytest.fixture
def voting(sim: Simulator) -> Voting:
    return Voting(sim)


async def updates(bot: Bot) -> list[Update]:
    """What is new for the bot, confirmed."""
    found = await bot.get_updates()
    if found:
        await bot.get_updates(offset=found[-1].update_id + 1)
    return found


async def test_a_poll_is_shown_with_its_options(bot: Bot, ann: Person) -> None:
    sent = await bot.send_poll(ann.id, "Lunch?", ["Soup", InputPollOption(text="Pie")], description="*Today*")
    poll = sent.poll
    assert poll is not None
    assert [(o.text, o.voter_count, o.persistent_id) for o in poll.options] == [("Soup", 0, "0"), ("Pie", 0, "1")]
    assert (poll.type, poll.is_anonymous, poll.allows_multiple_answers, poll.is_closed) == (
        "regular",
        True,
        False,
        False,
    )
    assert poll.allows_revoting
    assert poll.description == "*Today*"
    shown = (await ann.chat_with(TOKEN).read()).messages[-1].media
    assert shown is not None
    assert shown.poll is not None
    assert (shown.poll.question, [option.text for option in shown.poll.options]) == ("Lunch?", ["Soup", "Pie"])


@pytest.mark.parametrize(
    ("question", "options", "more", "error"),
    [
        ("", ["a", "b"], {}, "poll question must be non-empty"),
        ("q" * 301, ["a", "b"], {}, "poll question length must not exceed 300"),
        ("q", [], {}, "poll must have at least 1 option"),
        ("q", ["a"] * 13, {}, "poll can't have more than 12 options"),
        ("q", ["a", " "], {}, "poll options must be non-empty"),
        ("q", ["a" * 101], {}, "poll options length must not exceed 100"),
        ("q", ["a", "b"], {"type": "survey"}, "unsupported poll type specified"),
        ("q", ["a", "b"], {"type": "quiz"}, "wrong correct option ID specified"),
        ("q", ["a", "b"], {"type": "quiz", "correct_option_ids": [2]}, "wrong correct option ID specified"),
        ("q", ["a", "b"], {"close_date": 4}, "wrong poll close date specified"),
    ],
)
async def test_a_wrong_poll_is_refused(
    bot: Bot, ann: Person, question: str, options: list[str], more: dict[str, Any], error: str
) -> None:
    with pytest.raises(TelegramBadRequest, match=error):
        await bot.send_poll(ann.id, question, options, **more)  # type: ignore[arg-type]


async def test_a_vote_is_a_poll_update_and_an_answer(bot: Bot, ann: Person, voting: Voting) -> None:
    """In a poll that is not anonymous the bot learns who chose what; taking back is an empty answer."""
    sent = await bot.send_poll(ann.id, "Which?", ["a", "b", "c"], is_anonymous=False, allows_multiple_answers=True)
    seen = await voting.vote(ann, sent, 2, 0)
    assert ([o["voters"] for o in seen["options"]], seen["votes"]) == ([1, 0, 1], {str(ann.id): [0, 2]})
    state, answer = await updates(bot)
    assert state.poll is not None
    assert [option.voter_count for option in state.poll.options] == [1, 0, 1]
    assert answer.poll_answer is not None
    assert answer.poll_answer.user is not None
    assert (answer.poll_answer.user.id, answer.poll_answer.option_ids) == (ann.id, [0, 2])
    assert answer.poll_answer.option_persistent_ids == ["0", "2"]
    await voting.vote(ann, sent)
    state, answer = await updates(bot)
    assert state.poll is not None
    assert state.poll.total_voter_count == 0
    assert answer.poll_answer is not None
    assert answer.poll_answer.option_ids == []


async def test_an_anonymous_vote_is_only_counted(bot: Bot, ann: Person, voting: Voting) -> None:
    """The bot hears of the new counts and not of the person; a vote that changes nothing is no news."""
    sent = await bot.send_poll(ann.id, "Which?", ["a", "b"])
    await voting.vote(ann, sent, 1)
    await voting.vote(ann, sent, 1)
    (update,) = await updates(bot)
    assert update.poll is not None
    assert update.poll.total_voter_count == 1


async def test_a_quiz_is_answered_once(bot: Bot, ann: Person, voting: Voting) -> None:
    """The bot sees the right answer; the person cannot change or take back the vote."""
    sent = await bot.send_poll(
        ann.id, "2 + 2?", ["3", "4"], type="quiz", correct_option_ids=[1], explanation="<i>Count</i>",
        explanation_parse_mode="HTML",
    )  # fmt: skip
    assert sent.poll is not None
    assert sent.poll.correct_option_ids == [1]
    assert sent.poll.explanation == "Count"
    assert not sent.poll.allows_revoting
    await voting.vote(ann, sent, 0)
    for options in ((1,), ()):
        with pytest.raises(TownError, match="does not allow to change a vote"):
            await voting.vote(ann, sent, *options)


async def test_what_a_poll_does_not_allow(bot: Bot, ann: Person, town: Town, voting: Voting) -> None:
    sent = await bot.send_poll(ann.id, "Which?", ["a", "b"])
    text = await bot.send_message(ann.id, "no poll")
    with pytest.raises(TownError, match="one answer"):
        await voting.vote(ann, sent, 0, 1)
    with pytest.raises(TownError, match="options 0 to 1"):
        await voting.vote(ann, sent, 2)
    with pytest.raises(TownError, match="is not a poll"):
        await voting.vote(ann, text, 0)


async def test_a_poll_is_stopped_by_its_bot(bot: Bot, ann: Person, voting: Voting) -> None:
    """stopPoll gives the final state, takes the keyboard away, and tells the bot; nobody can vote then."""
    sent = await bot.send_poll(ann.id, "Which?", ["a", "b"], reply_markup=buttons([("Stop", "s")]))
    await voting.vote(ann, sent, 1)
    final = await bot.stop_poll(ann.id, sent.message_id)
    assert isinstance(final, Poll)
    assert (final.is_closed, [option.voter_count for option in final.options]) == (True, [0, 1])
    assert [update.poll.is_closed for update in await updates(bot) if update.poll] == [False, True]
    assert not (await ann.chat_with(TOKEN).read()).messages[-1].buttons
    with pytest.raises(TelegramBadRequest, match="poll has already been closed"):
        await bot.stop_poll(ann.id, sent.message_id)
    with pytest.raises(TownError, match="the poll is closed"):
        await voting.vote(ann, sent, 0)
    text = await bot.send_message(ann.id, "x")
    with pytest.raises(TelegramBadRequest, match="message is not a poll"):
        await bot.stop_poll(ann.id, text.message_id)
    with pytest.raises(TelegramBadRequest, match="message with poll to stop not found"):
        await bot.stop_poll(ann.id, 999)


async def test_a_poll_ends_by_the_clock(bot: Bot, ann: Person, town: Town, clock: MovableClock, voting: Voting) -> None:
    """After `open_period` the poll closes by itself and the bot gets its final state."""
    first = await bot.send_poll(ann.id, "Long?", ["a", "b"], close_date=int(clock.now()) + 600)
    second = await bot.send_poll(ann.id, "Short?", ["a", "b"], open_period=10)
    assert second.poll is not None
    assert second.poll.open_period == 10
    assert second.poll.close_date is not None
    assert second.poll.close_date.timestamp() == int(clock.now()) + 10
    await clock.advance(10)
    await town.event("poll.closed")
    (update,) = await updates(bot)
    assert update.poll is not None
    assert (update.poll.question, update.poll.is_closed) == ("Short?", True)
    await voting.vote(ann, first, 0)
    await clock.advance(590)
    with pytest.raises(TownError, match="the poll is closed"):
        await voting.vote(ann, first, 1)


async def test_media_in_a_poll(bot: Bot, ann: Person) -> None:
    """A question and an option can carry a picture."""
    photo = InputMediaPhoto(media=BufferedInputFile(picture(), "p.png"))
    sent = await bot.send_poll(ann.id, "Which?", [InputPollOption(text="a", media=photo), "b"], media=photo)
    assert sent.poll is not None
    assert sent.poll.media is not None
    assert sent.poll.media.photo is not None
    assert sent.poll.options[0].media is not None
    assert sent.poll.options[0].media.photo is not None


async def test_a_copied_poll_is_another_and_a_forwarded_one_the_same(bot: Bot, ann: Person, voting: Voting) -> None:
    """Votes on a forward count in the original; a copy is asked anew and can be stopped by itself."""
    sent = await bot.send_poll(ann.id, "Which?", ["a", "b"])
    forwarded = await bot.forward_message(ann.id, ann.id, sent.message_id)
    copy_id = (await bot.copy_message(ann.id, ann.id, sent.message_id)).message_id
    await voting.vote(ann, forwarded, 1)
    shown = {message.id: message.media for message in (await ann.chat_with(TOKEN).read()).messages}
    counts = []
    for number in (sent.message_id, forwarded.message_id, copy_id):
        media = shown[number]
        assert media is not None
        assert media.poll is not None
        counts.append(media.poll.total_voters)
    assert counts == [1, 1, 0]
    await bot.stop_poll(ann.id, copy_id)
    assert not (await bot.stop_poll(ann.id, sent.message_id)).options[0].voter_count
