"""The way to Telegram: one call, one answer."""

from __future__ import annotations

from typing import Any, Protocol


class TelegramGateway(Protocol):
    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        """Call a Bot API method with a JSON object of parameters and return the decoded `result`.

        A value `"blob:<key>"` in a file field is streamed from the blob store as an upload. Raises `Refused` when
        Telegram says no and `Unreachable` when there was no usable answer.
        """
        ...

    async def download(self, token: str, file_path: str, *, size_max_bytes: int, timeout_s: float = 60.0) -> bytes:
        """The bytes of a file, by the `file_path` that `getFile` gave.

        Raises `Refused` when there is none or it is larger, and `Unreachable` when there was no usable answer.
        """
        ...

    async def close(self) -> None: ...
