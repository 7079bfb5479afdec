"""Voting: what people do with polls, and what their bots hear of it.

A vote becomes a `poll` update for the bot that sent the poll and, unless the poll is anonymous, a `poll_answer`.
A quiz is answered once; a vote for nothing takes the vote back.
"""

from __future__ import annotations

from posthouse.simulator.chats import Message, Person
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing
from posthouse.simulator.polls import Poll, PollMedia
from posthouse.simulator.town import Town


def vote(town: Town, person: Person, message: Message, options: list[int]) -> Poll:
    """Choose options of a poll by their numbers; none of them means to take the vote back."""
    poll = _open_poll(town, person, message)
    before = poll.votes.get(person.id, [])
    chosen = sorted(set(options))
    if any(not 0 <= number < len(poll.options) for number in chosen):
        raise Impossible(f"the poll has the options 0 to {len(poll.options) - 1}, not {chosen}")
    if len(chosen) > 1 and not poll.allows_multiple_answers:
        raise Impossible("the poll allows one answer")
    if before and not poll.allows_revoting:
        raise Impossible("the poll does not allow to change a vote")
    if chosen == before:
        return poll
    if chosen:
        poll.votes[person.id] = chosen
    else:
        del poll.votes[person.id]
    message.cursor = town.journal.record(
        "person.voted" if chosen else "person.retracted",
        bot_id=poll.bot.id if poll.bot else None,
        chat=message.chat.ref,
        person_id=person.id,
        message_id=message.id,
        text=", ".join(poll.options[number].text for number in chosen),
        poll_id=poll.id,
        options=chosen,
    )
    _announce_vote(town, person, poll)
    return poll


def close(town: Town, poll: Poll) -> None:
    """End a poll; its bot hears of it."""
    poll.is_closed = True
    town.journal.record("poll.closed", bot_id=poll.bot.id if poll.bot else None, text=poll.question, poll_id=poll.id)
    _announce(town, poll)


def _open_poll(town: Town, person: Person, message: Message) -> Poll:
    check_writing(person, message.chat)
    if not isinstance(message.media, PollMedia):
        raise Impossible(f"message {message.id} is not a poll")
    poll = message.media.poll
    if poll.is_over(town.now()):
        raise Impossible("the poll is closed")
    return poll


def _announce_vote(town: Town, person: Person, poll: Poll) -> None:
    _announce(town, poll)
    if poll.bot is None or poll.is_anonymous:
        return
    chosen = poll.votes.get(person.id, [])
    answer = {
        "poll_id": poll.id,
        "user": person.wire(),
        "option_ids": chosen,
        "option_persistent_ids": [poll.options[number].id for number in chosen],
    }
    town.announce(poll.bot, "poll_answer", answer, int(poll.id))


def _announce(town: Town, poll: Poll) -> None:
    if poll.bot is not None:
        town.announce(poll.bot, "poll", poll.wire(poll.bot), int(poll.id))
