"""What a handler or a job may ask for. Every method here only writes down an effect; nothing happens until the commit.

    say, edit, delete, document, photo, answer, call   → deliveries, sent in order after the commit
    enqueue                                            → a job
    after, cancel_timer                                → a timer

A message that will be edited later gets a `handle`, a name within its chat: `say("…", handle="status")`, then
`edit("status", "…")` in this turn or in any later one. The sender knows the message id by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from posthouse.core.effects import (
    Effects,
    JobRequest,
    Outgoing,
    Priority,
    StateWrite,
    TimerRequest,
    WhenUncertain,
)
from posthouse.core.entries import Event
from posthouse.core.errors import AuthorError
from posthouse.telegram.methods import is_answer, outbound_lane

if TYPE_CHECKING:
    from aiogram.methods import TelegramMethod

HANDLE_FIELD = "posthouse_handle"  # stands in for `message_id` until the sender resolves it
OR_SEND_FIELD = "posthouse_or_send"  # in the parameters of an edit: the call that is made when its message is gone


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is in the blob store already, by its key: what `Job.keep` returned. It stays for 30 days."""

    key: str


@dataclass(frozen=True, slots=True)
class File:
    """A file to send: bytes, or a `Path` on this machine, copied to the blob store before the commit; or `Kept`.

    It may stand wherever a method takes a file, however deep: `call("createNewStickerSet", stickers=[{"sticker":
    File(webp, "1.webp"), …}])`.
    """

    source: bytes | Path | Kept
    filename: str = ""

    @property
    def name(self) -> str:
        """What people see: the name given, or the path's."""
        return self.filename or (self.source.name if isinstance(self.source, Path) else "file")


class Upload(msgspec.Struct):
    """A file of an effect, and where in its parameters; the runtime stows it among the blobs before the commit."""

    delivery: Outgoing
    path: tuple[str | int, ...]
    source: bytes | Path | Kept


class Actions:
    """Collects effects for one bot and one chat. `Turn` and `Job` are actions with a cause."""

    __slots__ = ("bot_id", "cause", "chat_id", "effects", "lane", "trace", "uploads")

    def __init__(self, bot_id: int, lane: int, chat_id: int | None, *, cause: int, trace: str) -> None:
        self.bot_id = bot_id
        self.lane = lane
        self.chat_id = chat_id
        self.cause = cause
        self.trace = trace
        self.effects = Effects()
        self.uploads: list[Upload] | None = None

    def say(
        self,
        text: str,
        *,
        chat_id: int | str | None = None,
        reply_markup: Any = None,
        handle: str | None = None,
        when_uncertain: WhenUncertain | str = WhenUncertain.RESEND,
        priority: Priority = Priority.REPLY,
        **parameters: Any,
    ) -> None:
        """Send a text message to the chat of the turn (or `chat_id`), with any parameter of `sendMessage`.

        Raises `AuthorError` at once when the text is empty or the turn has no chat.
        """
        if not text:
            raise AuthorError("say() needs a text: Telegram refuses an empty message")
        target = self.chat_id if chat_id is None else chat_id
        if target is None:
            raise AuthorError("say() has no chat: this entry names none, so pass chat_id=…")
        if priority is not Priority.REPLY or when_uncertain is not WhenUncertain.RESEND:
            _check_delivery(priority, when_uncertain)
        body: dict[str, Any] = {"chat_id": target, "text": text}
        if reply_markup is not None:
            body["reply_markup"] = reply_markup
        if parameters:
            body.update(parameters)
        # The hot line of every bot, so written out instead of going through `_deliver`.
        self.effects.deliveries.append(
            Outgoing(
                self.bot_id,
                target if isinstance(target, int) else outbound_lane(target, self.lane),
                "sendMessage",
                _encode(body),
                priority,
                when_uncertain,
                handle,
                self.cause,
                self.trace,
            )
        )

    def edit(
        self,
        message: str | int,
        text: str,
        *,
        chat_id: int | str | None = None,
        reply_markup: Any = None,
        or_send: bool = False,
        thread_id: int = 0,
        **parameters: Any,
    ) -> None:
        """Replace the text of a message, named by its handle or its Telegram message id.

        With `or_send` the text is sent anew when the person has deleted the message, in the topic `thread_id` where
        there is one; later edits that name the old message change the new one. Else such an edit is a dead letter.
        """
        body = self._message(message, chat_id)
        shown: dict[str, Any] = {"text": text}
        if reply_markup is not None:
            shown["reply_markup"] = reply_markup
        shown.update(parameters)
        body.update(shown)
        if or_send:
            body[OR_SEND_FIELD] = _instead("sendMessage", body["chat_id"], thread_id, shown)
        self._deliver("editMessageText", body)

    def delete(self, message: str | int, *, chat_id: int | str | None = None) -> None:
        """Delete a message, named by its handle or its Telegram message id."""
        self._deliver("deleteMessage", self._message(message, chat_id))

    def document(
        self,
        file: bytes | str | Path,
        *,
        chat_id: int | str | None = None,
        filename: str | None = None,
        caption: str | None = None,
        handle: str | None = None,
        **parameters: Any,
    ) -> None:
        """Send a file of up to 50 MB: bytes, a `Path` on this machine, or a string that is a `file_id` or URL.

        Bytes and paths are copied to the blob store before the commit, so the file may change or vanish afterwards.
        """
        given = (
            file if isinstance(file, str) else File(file, filename or ("document" if isinstance(file, bytes) else ""))
        )
        body = {"document": given, "caption": caption} | parameters
        self._send("sendDocument", body, chat_id=chat_id, handle=handle)

    def photo(
        self,
        photo: File | str,
        *,
        chat_id: int | str | None = None,
        caption: str | None = None,
        reply_markup: Any = None,
        handle: str | None = None,
        **parameters: Any,
    ) -> None:
        """Send a photo of up to 10 MB: a `File`, or a string that is a `file_id` or URL."""
        body = {"photo": photo, "caption": caption, "reply_markup": reply_markup} | parameters
        self._send("sendPhoto", body, chat_id=chat_id, handle=handle)

    def sticker(self, sticker: File | str, *, chat_id: int | str | None = None, **parameters: Any) -> None:
        """Send a sticker: a `File` (WebP of 512 pixels), or a string that is a `file_id` or URL."""
        self._send("sendSticker", {"sticker": sticker} | parameters, chat_id=chat_id)

    def edit_photo(
        self,
        message: str | int,
        photo: File | str,
        *,
        chat_id: int | str | None = None,
        caption: str | None = None,
        reply_markup: Any = None,
        or_send: bool = False,
        thread_id: int = 0,
        **parameters: Any,
    ) -> None:
        """Put another photo and caption in the place of a photo message's; `or_send` as in `edit`."""
        shown = {"caption": caption} | parameters
        media = _without_none({"type": "photo", "media": photo} | shown)
        body = self._message(message, chat_id) | _without_none({"media": media, "reply_markup": reply_markup})
        if or_send:
            anew = _without_none({"photo": photo, "reply_markup": reply_markup} | shown)
            body[OR_SEND_FIELD] = _instead("sendPhoto", body["chat_id"], thread_id, anew)
        self._deliver_files("editMessageMedia", body)

    def edit_markup(self, message: str | int, reply_markup: Any = None, *, chat_id: int | str | None = None) -> None:
        """Replace the inline keyboard of a message; without one it is taken away."""
        body = self._message(message, chat_id) | {"reply_markup": reply_markup}
        self._deliver("editMessageReplyMarkup", _without_none(body))

    def call(
        self,
        method: TelegramMethod[Any] | str,
        *,
        handle: str | None = None,
        priority: Priority | None = None,
        when_uncertain: WhenUncertain | str = WhenUncertain.RESEND,
        **parameters: Any,
    ) -> None:
        """Any Bot API method, as an aiogram method object or by name: `call(SendDice(chat_id=7))`, `call("sendDice")`.

        A name that takes a `chat_id` gets the chat of the turn when none is given. A file is a `File`, a `file_id` or
        a URL.
        """
        if isinstance(method, str):
            name, body = method, parameters
        else:
            name, body = method.__api_method__, plain_parameters(method)
            body.update(parameters)
        for field, value in body.items():
            if isinstance(value, datetime | timedelta):
                body[field] = _unix(value)
        if name.startswith("send") and "chat_id" not in body and self.chat_id is not None:
            body["chat_id"] = self.chat_id
        self._deliver_files(name, body, handle=handle, priority=priority, when_uncertain=when_uncertain)

    def enqueue(
        self,
        job: str | Callable[..., Any],
        *,
        queue: str | None = None,
        delay: timedelta | float = 0,
        priority: int = 1,
        attempts_max: int | None = None,
        unique_key: str | None = None,
        notify: bool = False,
        data: Any = None,
        **args: Any,
    ) -> None:
        """Queue a job (a function registered with `@app.job`, or its name) to run after the commit.

        With `notify` its end comes back to this lane as the event named after the task (`@app.event`), carrying
        `data`. Smaller `priority` (0…3) runs first. Source: S1-44…S1-46.
        """
        declared = getattr(job, "__posthouse_job__", None)
        task = job if isinstance(job, str) else getattr(declared, "task", None)
        if task is None:
            raise AuthorError(f"{job!r} is not a job: decorate it with @app.job() or pass the task's name")
        if not 0 <= priority <= 3:
            raise AuthorError(f"priority {priority} of job {task} is outside 0…3")
        self.effects.jobs.append(
            JobRequest(
                queue=queue or str(getattr(declared, "queue", "default")),
                task=task,
                args=_encode(args),
                priority=priority,
                delay_s=seconds_of(delay),
                attempts_max=attempts_max or int(getattr(declared, "attempts_max", 5)),
                unique_key=unique_key,
                bot_id=self.bot_id,
                lane=self.lane,
                notify=notify,
                data=_encode(data),
                trace=self.trace,
            )
        )

    def after(self, delay: timedelta | float, event: str, *, data: Any = None, key: str | None = None) -> None:
        """Come back to this lane with `event` (`@app.event`) after `delay` (seconds or timedelta).

        A timer with the same `key` in this lane is replaced.
        """
        payload = _encode(Event(event, msgspec.Raw(_encode(data)), self.trace))
        self.effects.timers.append(
            TimerRequest(self.bot_id, self.lane, seconds_of(delay), payload, key=key, trace=self.trace)
        )

    def cancel_timer(self, key: str) -> None:
        """Cancel the timer with this key, if it still waits."""
        self.effects.timers.append(TimerRequest(self.bot_id, self.lane, 0.0, None, key=key, trace=self.trace))

    def write_state(self, name: str, data: bytes | None, *, lane: int | None = None) -> None:
        """Write (or with None delete) one named piece of a chat's state with the commit."""
        self.effects.states.append(StateWrite(self.bot_id, self.lane if lane is None else lane, name, data))

    def _target(self, chat_id: int | str | None) -> int | str:
        target = self.chat_id if chat_id is None else chat_id
        if target is None:
            raise AuthorError("this entry names no chat, so pass chat_id=…")
        return target

    def _message(self, message: str | int, chat_id: int | str | None) -> dict[str, Any]:
        field = "message_id" if isinstance(message, int) else HANDLE_FIELD
        return {"chat_id": self._target(chat_id), field: message}

    def _send(
        self, method: str, body: Mapping[str, Any], *, chat_id: int | str | None, handle: str | None = None
    ) -> None:
        self._deliver_files(method, {"chat_id": self._target(chat_id)} | _without_none(body), handle=handle)

    def _deliver_files(self, method: str, body: Mapping[str, Any], **options: Any) -> None:
        """Deliver what may have files in it."""
        files: list[tuple[tuple[str | int, ...], File]] = []
        delivery = self._deliver(method, lifted(body, (), files), **options)
        for path, file in files:
            self.uploads = self.uploads or []
            self.uploads.append(Upload(delivery, path, file.source))

    def _deliver(
        self,
        method: str,
        body: Mapping[str, Any],
        *,
        handle: str | None = None,
        priority: Priority | None = None,
        when_uncertain: WhenUncertain | str = WhenUncertain.RESEND,
    ) -> Outgoing:
        if priority is None:
            priority = Priority.ANSWER if is_answer(method) else Priority.REPLY
        _check_delivery(priority, when_uncertain)
        chat = outbound_lane(body.get("chat_id"), self.lane)
        payload = _encode(body)
        delivery = Outgoing(
            self.bot_id, chat, method, payload, priority, when_uncertain, handle, self.cause, self.trace
        )
        self.effects.deliveries.append(delivery)
        return delivery


def _instead(method: str, chat_id: int | str, thread_id: int, shown: Mapping[str, Any]) -> dict[str, Any]:
    """The value of `OR_SEND_FIELD`."""
    thread = {"message_thread_id": thread_id} if thread_id else {}
    return {"method": method, "parameters": {"chat_id": chat_id, **thread, **shown}}


def lifted(value: Any, path: tuple[str | int, ...], files: list[tuple[tuple[str | int, ...], File]]) -> Any:
    """The value with each file replaced by its name, which the runtime replaces once more; `files` says where."""
    if isinstance(value, File):
        files.append((path, value))
        return value.name
    if isinstance(value, Mapping):
        return {name: lifted(item, (*path, name), files) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [lifted(item, (*path, place), files) for place, item in enumerate(value)]
    return value


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def plain_parameters(method: TelegramMethod[Any]) -> dict[str, Any]:
    """The parameters of an aiogram method, without what was left out."""
    parameters: dict[str, Any] = _dumped(method)
    return parameters


def _dumped(model: Any) -> Any:
    """An aiogram object as plain data: with the `type` it was born with, without the bot's defaults."""
    return _without_defaults(model.model_dump(exclude_none=True, warnings=False, by_alias=True))


def _without_defaults(value: Any) -> Any:
    if isinstance(value, dict):
        # `Default(…)` stands for a setting of an aiogram Bot, which there is none of here.
        return {k: _without_defaults(v) for k, v in value.items() if type(v).__module__ != "aiogram.client.default"}
    return [_without_defaults(item) for item in value] if isinstance(value, list) else value


def _unix(moment: datetime | timedelta) -> int:
    """How the Bot API writes a moment, or one that lies so far from now."""
    return round(moment.timestamp() if isinstance(moment, datetime) else time.time() + moment.total_seconds())


def _plain(value: Any) -> Any:
    """What msgspec does not know: aiogram (pydantic) objects inside parameters."""
    if hasattr(value, "model_dump"):
        return _dumped(value)
    raise AuthorError(f"{type(value).__name__} cannot be written as JSON: pass plain values or aiogram objects")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def _check_delivery(priority: int, when_uncertain: str) -> None:
    """Refuse where the author can see it: a row that the store refuses would fail the whole turn at its commit."""
    if priority not in Priority.__members__.values():
        raise AuthorError(
            f"priority={priority!r} is none of {', '.join(f'Priority.{name}' for name in Priority.__members__)}"
        )
    if when_uncertain not in WhenUncertain.__members__.values():
        raise AuthorError(f"when_uncertain={when_uncertain!r} is none of 'resend', 'drop', 'park'")


def seconds_of(delay: timedelta | float) -> float:
    """A duration in seconds."""
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
