"""Which conversation an entry is for, by what the sessions say they wait for; nothing is run to find out.

a button             the session that it names, if its revision is the current one
a message            the conversation that asked last, among those that want such a message or hear a cancel word;
                     when none wants it, the one that asked last says so (its retry text)
a job or a timer     the session that it carries, if that still waits for it
"""

from __future__ import annotations

from datetime import timedelta

from posthouse.core.sessions import Reason, SessionRecord, Strategy
from posthouse.programs.conversations.cache import LIVE_MAX, Kept, LiveCache
from posthouse.programs.conversations.conversation import Conversation
from posthouse.programs.conversations.talk import COMMIT, PLACE_KEY, Input
from posthouse.programs.conversations.wants import kind_of
from posthouse.programs.flows.rejects import reject
from posthouse.programs.flows.rules import Rejected, misplaced
from posthouse.programs.flows.screen import clear_pressed
from posthouse.programs.flows.session import SESSION_KEY
from posthouse.programs.flows.texts import in_language
from posthouse.programs.turn import Turn
from posthouse.telegram.callback_data import ASK, parse

STALE = {"en": "This question is outdated.", "ru": "Этот вопрос уже неактуален."}


class ConversationRouter:
    """Takes what belongs to the conversations of one app."""

    def __init__(self, live_max: int = LIVE_MAX) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.live = LiveCache(live_max)

    def add(self, name: str, *, strategy: Strategy, ttl: timedelta | float | None) -> Conversation:
        """Know a conversation; its functions are still to be added."""
        made = self.conversations[name] = Conversation(name, cache=self.live, strategy=strategy, ttl=ttl)
        return made

    def close(self) -> None:
        """Let go of the coroutines in memory; what they wait for is on disk."""
        self.live.clear()

    async def take(self, turn: Turn) -> bool:
        """Handle an entry that belongs to a conversation; False when it does not."""
        match turn.kind:
            case "callback_query":
                return await self._press(turn)
            case "event":
                return await self._event(turn)
            case "message":
                return await self._message(turn)
        return False

    async def _press(self, turn: Turn) -> bool:
        press = parse(turn.update["callback_query"].get("data") or "")
        if press.action != ASK or press.session_id is None:
            return False
        record = await turn.reach.session(press.session_id)
        conversation = self.conversations.get(record.flow_kind) if record is not None else None
        name = conversation.name if conversation is not None else ASK
        no: Rejected | None = Rejected(Reason.NOT_FOUND)
        if conversation is not None and record is not None:
            no = misplaced(record, flow_kind=name, owner=conversation.owner(turn), env=turn.env, now=turn.moment)
            if no is None and not record.is_active:
                no = Rejected(Reason.ALREADY_DONE, session=record)
            if no is None and press.rev != record.rev:
                no = Rejected(Reason.STALE_REV, "outdated", session=record)
        reason = "" if no is None else no.reason
        turn.count("session_resolve", ASK, "ok" if no is None else "reject", reason)
        if no is not None or conversation is None or record is None:
            text = _words(turn) if reason == Reason.STALE_REV else ""
            reject(turn, no or Rejected(Reason.NOT_FOUND), flow_kind=name, event=ASK, press=press, text=text)
            if reason != Reason.WRONG_OWNER:
                clear_pressed(turn)
            return True
        turn.answer()
        await conversation.go_on(turn, record, Input(pressed=press.value), event=ASK, format=press.format)
        return True

    async def _message(self, turn: Turn) -> bool:
        waiting: list[tuple[Conversation, SessionRecord, Kept]] = []
        for conversation in self.conversations.values():
            record = await conversation.current(turn)
            if record is not None and (kept := self.live.kept_in(record)).waiting.kinds:
                waiting.append((conversation, record, kept))
        if not waiting:
            return False
        if len(waiting) > 1:
            waiting.sort(key=lambda item: item[2].waiting.asked, reverse=True)
        kind = kind_of(turn)
        word = turn.text.strip().casefold().partition("@")[0]
        for conversation, record, kept in waiting:
            if word and word in kept.waiting.words:
                await conversation.go_on(turn, record, Input(error="cancelled"), event="cancel", kept=kept)
                return True
            if kind in kept.waiting.kinds:
                await conversation.go_on(turn, record, Input(), event="answer", kept=kept)
                return True
        if not kind:
            return False
        conversation, record, kept = waiting[0]
        await conversation.go_on(turn, record, Input(unfit=True), event="answer", kept=kept)
        return True

    async def _event(self, turn: Turn) -> bool:
        body = turn.update
        carried = body.get("data")
        if not isinstance(carried, dict) or PLACE_KEY not in carried or SESSION_KEY not in carried:
            return False
        record = await turn.reach.session(carried[SESSION_KEY])
        conversation = self.conversations.get(record.flow_kind) if record is not None else None
        if record is None or conversation is None:
            return True  # it is over, and so is whatever it had asked for
        wanted = self.live.kept_in(record).waiting
        if not record.is_active or wanted.at != carried[PLACE_KEY]:
            return True
        if "task" in body:
            failed = body.get("error")
            told = Input(error="failed", why=failed) if failed is not None else Input(result=body.get("result"))
            await conversation.go_on(turn, record, told, event=f"job.{body['task']}")
        elif wanted.op in ("sleep", COMMIT):
            await conversation.go_on(turn, record, Input(), event="timer")
        else:
            await conversation.go_on(turn, record, Input(error="timed_out"), event="timer")
        return True


def _words(turn: Turn) -> str:
    """What a person reads who answers an old question: unlike a flow's menu, it has no current one to be led to."""
    own = turn.own_text("reject.outdated") or turn.own_text(f"reject.{Reason.STALE_REV}")
    return own or in_language(STALE, turn.language)
