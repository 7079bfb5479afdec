"""A conversation: a coroutine that waits for answers across restarts, kept as a session.

    @app.conversation("order")
    async def order(talk: Talk) -> None:
        size = await talk.ask("Which size?", choice(["small", "large"]))
        name = await talk.ask("Your name?")
        talk.say(f"A {size} coffee for {name}.")

    @app.command("order")
    async def begin(turn: Turn) -> None:
        await order.begin(turn)

    session   flow_kind = name, state `waiting` until it is `done`, `cancelled`, `timed_out`, …; rev counts its steps
    data      arguments, and what it waits for: enough to know which entry is for it without running anything
    journal   what it was told and has done (`engine`), written with each step

Several conversations may be under way in one chat, each under its own name. A message goes to the one that asked last
among those that want such a message; a button, a job and a timer know whose they are.

A deploy that changes the code gives it another `version`. Those under way go on with the function of their own version
while it is registered; otherwise they end with the text `outdated`. Changed without a new version, a conversation that
was past the change ends the same way, and the log names the line (`Diverged`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from posthouse.core.errors import AuthorError, Retryable, StoreUnavailable
from posthouse.core.sessions import (
    Owner,
    SessionEvent,
    SessionRecord,
    SessionWrite,
    Strategy,
    new_session_id,
)
from posthouse.programs.actions import seconds_of
from posthouse.programs.conversations.cache import Kept, Live, LiveCache
from posthouse.programs.conversations.engine import Finished, Journal, advance, caller, close
from posthouse.programs.conversations.errors import ConversationEnded, Diverged
from posthouse.programs.conversations.talk import Function, Input, Restart, Talk, timer_key
from posthouse.programs.flows.flow import newest_of, owner_in, user_of
from posthouse.programs.flows.texts import in_language
from posthouse.programs.turn import Turn

log = structlog.get_logger("posthouse.conversations")

WAITING, DONE, REPLACED, OUTDATED, DIVERGED = "waiting", "done", "replaced", "outdated", "diverged"


# What people read when a conversation ends early; an app's own texts of these keys go first.
ENDINGS = {
    "en": {
        "cancelled": "Cancelled.",
        "timed_out": "I have waited long enough, so this is closed. Start again whenever you like.",
        "given_up": "Let us leave it for now. Start again whenever you like.",
        "failed": "That did not work on our side, so this is closed. Please try again later.",
        "outdated": "This dialogue was changed meanwhile and cannot go on. Please start again.",
        "diverged": "This dialogue was changed meanwhile and cannot go on. Please start again.",
    },
    "ru": {
        "cancelled": "Отменено.",
        "timed_out": "Я долго ждал ответа и закрыл этот диалог. Начните снова, когда захотите.",
        "given_up": "Отложим это. Начните снова, когда захотите.",
        "failed": "На нашей стороне не получилось, диалог закрыт. Попробуйте, пожалуйста, позже.",
        "outdated": "Этот диалог изменился и не может продолжиться. Начните, пожалуйста, заново.",
        "diverged": "Этот диалог изменился и не может продолжиться. Начните, пожалуйста, заново.",
    },
}

_encode = msgspec.json.Encoder().encode


class Conversation:
    """One kind of conversation: its functions by version, and how its sessions live. Made by `App.conversation`."""

    def __init__(
        self,
        name: str,
        *,
        cache: LiveCache,
        strategy: Strategy = Strategy.USER_IN_CHAT,
        ttl: timedelta | float | None = timedelta(hours=24),
    ) -> None:
        self.name = name
        self.versions: dict[str, Function] = {}
        self.version = ""
        self._cache = cache
        self._strategy = strategy
        self._ttl_s = None if ttl is None else seconds_of(ttl)

    def add(self, function: Function, version: str) -> None:
        """Know the function of a version; the one that was added last is for new conversations."""
        if version in self.versions:
            raise AuthorError(
                f"the conversation {self.name!r} has two functions of version {version!r}: give the new one version=…"
            )
        self.versions[version] = function
        self.version = version

    async def __call__(self, talk: Talk, **arguments: Any) -> Any:
        """Run it inside another conversation, as a part of that one: `name = await ask_name(talk)`."""
        version = talk.pin(self.name, self.version, caller())
        if version not in self.versions:
            raise Diverged(f"version {version!r} of the conversation {self.name!r}, which was called, is gone")
        return await self.versions[version](talk, **arguments)

    # -- what a handler may ask -----------------------------------------------------------------------------------

    async def begin(self, turn: Turn, **arguments: Any) -> None:
        """Begin with this person; one of the same name that is under way ends without a word.

        `arguments` are JSON, and are given to the function each time it runs.
        """
        mark = turn.mark()
        try:
            before = await self.current(turn)
            if before is not None:
                self._end(turn, before, REPLACED, kept=self.kept_in(before), say=False)
            await self._begin(turn, self.owner(turn), self._lane(turn), arguments)
        except BaseException:
            turn.forget_since(mark)  # as in `go_on`
            raise

    def current(self, turn: Turn) -> Awaitable[SessionRecord | None]:
        """The session of the one under way with this person, or None."""
        return newest_of(turn, self.name, self.owner(turn), self._lane(turn))

    def kept_in(self, record: SessionRecord) -> Kept:
        """What the session of one keeps: its arguments, and what it waits for."""
        return self._cache.kept_in(record)

    async def cancel(self, turn: Turn) -> bool:
        """End the one under way, as a cancel word would; False when there is none."""
        record = await self.current(turn)
        if record is None:
            return False
        await self.go_on(turn, record, Input(error="cancelled"), event="cancel")
        return True

    # -- how it goes on -------------------------------------------------------------------------------------------

    async def go_on(
        self,
        turn: Turn,
        record: SessionRecord,
        told: Input,
        *,
        event: str,
        format: str = "",
        kept: Kept | None = None,
    ) -> None:
        """Continue with what it was told, to the next wait or the end; everything commits with the turn."""
        kept = kept or self.kept_in(record)
        turn.spoken = record.language
        if record.version not in self.versions:
            log.info("conversation.outdated", name=self.name, session_id=record.id, version=record.version)
            self._end(turn, record, OUTDATED, kept=kept, event=event, format=format)
            return
        try:
            live = await self._revive(turn, record, kept)
        except Diverged as diverged:
            log.error("conversation.diverged", name=self.name, session_id=record.id, error=str(diverged))
            self._end(turn, record, DIVERGED, kept=kept, event=event, format=format)
            return
        live.talk.record = record
        live.talk.attach(turn, rev=record.rev + 1)
        mark = turn.mark()
        try:
            await self._run(turn, live, record, told, event=event, format=format, before=kept)
        except BaseException:
            # All or nothing: a middleware or an error handler may catch this, and then the rest of the turn commits.
            # Half a step with a journal that is ahead of its session would be a conversation nobody can go on with.
            turn.forget_since(mark)
            raise

    async def _revive(self, turn: Turn, record: SessionRecord, kept: Kept) -> Live:
        """The coroutine, suspended where the session says: the live one, or a new one led there by the journal."""
        live = self._cache.take(record)
        if live is not None:
            turn.count("posthouse_conversation_resumes", "live")
            return live
        turn.count("posthouse_conversation_resumes", "replayed")
        talk = Talk(record, Journal.read(await turn.reach.journal(record.id)), kept.waiting)
        talk.hear(turn)
        running = self._coroutine(record.version, talk, kept)
        try:
            reached = await advance(running)
        except (Diverged, Retryable, StoreUnavailable, OSError):
            raise  # the last three: what it looked at is away, so the turn is tried again
        except Exception as error:
            raise talk.journal.diverged or Diverged(
                f"the code raised {error!r} while its journal of {len(talk.journal.records)} entries was replayed"
            ) from error
        if talk.journal.diverged is not None:  # and the code caught it
            close(running)
            raise talk.journal.diverged
        if isinstance(reached, Finished) or talk.journal.is_replaying or reached.op != kept.waiting.op:
            close(running)
            now = "ends" if isinstance(reached, Finished) else f"waits for {reached.op!r}"
            raise Diverged(
                f"the code {now} after {talk.journal.position} of {len(talk.journal.records)} entries, but it had"
                f" waited for {kept.waiting.op!r}: it was changed while this conversation was under way; give the new"
                " code another version="
            )
        return Live(running, talk, kept)

    async def _begin(self, turn: Turn, owner: Owner, lane: int, arguments: dict[str, Any]) -> None:
        record = SessionRecord(
            new_session_id(),
            turn.bot_id,
            lane,
            turn.env,
            self.name,
            owner,
            WAITING,
            version=self.version,
            created_at=turn.moment,
        )
        kept = Kept(_packed(self.name, arguments))
        talk = Talk(record, Journal())
        talk.attach(turn, rev=1)
        live = Live(self._coroutine(self.version, talk, kept), talk, kept)
        await self._run(turn, live, record, None, event="begin", before=None)

    async def _run(
        self,
        turn: Turn,
        live: Live,
        record: SessionRecord,
        told: Input | None,
        *,
        event: str,
        before: Kept | None,
        format: str = "",
    ) -> None:
        """Let it run to its next wait or its end; `before` is what it had kept, None when it begins."""
        try:
            reached = await advance(live.running, told)
        except Restart as again:
            self._take_uploads(turn, live.talk)
            self._end(turn, record, "restarted", kept=before, event=event, format=format, say=False)
            await self._begin(turn, record.owner, record.lane, again.arguments)
            return
        except ConversationEnded as ended:
            self._take_uploads(turn, live.talk)
            if ended.state == "failed":
                log.error("conversation.failed", name=self.name, session_id=record.id, error=str(ended))
            self._end(turn, record, ended.state, kept=before, event=event, format=format)
            return
        except Diverged:  # by code that has no journal to differ from: a bug of ours
            raise
        except BaseException:
            live.talk.detach()  # the turn has failed: the next try replays the journal
            raise
        self._take_uploads(turn, live.talk)
        if isinstance(reached, Finished):
            self._end(turn, record, DONE, kept=before, event=event, format=format, say=False)
            return
        if live.talk.raised:
            live.close()
            raise AuthorError(
                f"{live.talk.raised}, and the conversation went on to wait: a replay could not know of it; let the"
                " function return what went wrong, instead of raising it"
            )
        waiting = live.talk.waiting
        asked_again = before is not None and waiting.op == before.waiting.op and waiting.at == before.waiting.at
        live.kept = Kept(live.kept.arguments, waiting, f"{random.getrandbits(48):x}")
        live.data = _encode(live.kept)
        rev = 1 if before is None else record.rev if asked_again else record.rev + 1
        after = msgspec.structs.replace(
            record,
            rev=rev,
            data=live.data,
            language=turn.language,
            updated_at=turn.moment,
            # Idle time begins behind the moment for which it waits by itself.
            expires_at=None if self._ttl_s is None else max(turn.moment, waiting.until) + self._ttl_s,
            ui_handle=waiting.prompt or None,
            ui_chat_id=record.ui_chat_id if asked_again else turn.chat_id if waiting.prompt else None,
        )
        write = SessionWrite(after) if before is None else SessionWrite(after, record.state, record.rev)
        turn.session_changes.writes.append(write)
        if not asked_again:
            self._note(turn, after, "" if before is None else record.state, event, format)
        live.talk.detach()
        self._cache.put(record.id, live)

    def _end(
        self,
        turn: Turn,
        record: SessionRecord,
        state: str,
        *,
        kept: Kept | None,
        event: str = "end",
        format: str = "",
        say: bool = True,
    ) -> None:
        """End one that has kept something, or (None) that ends in the turn in which it began."""
        self._cache.drop(record.id)
        if kept is not None:
            waiting = kept.waiting
            if waiting.keyboard and state in (REPLACED, OUTDATED, DIVERGED):  # else its own code has done it
                turn.edit_markup(waiting.prompt, chat_id=record.ui_chat_id)
            after = msgspec.structs.replace(
                record, state=state, rev=record.rev + 1, is_active=False, updated_at=turn.moment
            )
            turn.session_changes.writes.append(SessionWrite(after, record.state, record.rev))
            if waiting.until:
                turn.cancel_timer(timer_key(record.id))
        else:
            after = msgspec.structs.replace(record, state=state, is_active=False, updated_at=turn.moment)
            turn.session_changes.writes.append(SessionWrite(after))
        self._note(turn, after, "" if kept is None else record.state, event, format)
        if say and turn.chat_id is not None:
            turn.say(self._ending(turn, state))

    def _ending(self, turn: Turn, state: str) -> str:
        own = turn.own_text(f"conversation.{state}")
        words = in_language(ENDINGS, turn.language)
        return own if own is not None else words.get(state, words["cancelled"])

    def _note(self, turn: Turn, record: SessionRecord, from_state: str, event: str, format: str) -> None:
        turn.session_changes.events.append(
            SessionEvent(
                record.id,
                record.bot_id,
                self.name,
                event,
                from_state,
                record.state,
                record.rev,
                format=format,
                trace=turn.trace,
                at=turn.moment,
            )
        )
        turn.count("session_transition", from_state, record.state, "ok")

    def _coroutine(self, version: str, talk: Talk, kept: Kept) -> Any:
        return self.versions[version](talk, **msgspec.json.decode(kept.arguments))

    def _take_uploads(self, turn: Turn, talk: Talk) -> None:
        if talk.uploads:
            turn.uploads = [*(turn.uploads or ()), *talk.uploads]
            talk.uploads = None

    # -- whose it is ----------------------------------------------------------------------------------------------

    def owner(self, turn: Turn) -> Owner:
        """Who a conversation belongs to when this person does something in this chat."""
        return owner_in(turn, self._strategy)

    def _lane(self, turn: Turn) -> int:
        return user_of(turn) if self._strategy is Strategy.GLOBAL_USER else turn.lane


def _packed(name: str, arguments: dict[str, Any]) -> msgspec.Raw:
    """Arguments as they will be in every replay. Raises `AuthorError` when they are not JSON."""
    try:
        return msgspec.Raw(_encode(arguments))
    except (TypeError, ValueError) as error:
        raise AuthorError(f"the arguments of the conversation {name!r} are not JSON: {error}") from None
