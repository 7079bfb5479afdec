"""What a job reaches while it runs: the Bot API, files, blobs and language models. Never inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from posthouse.core.errors import AuthorError, Refused, Retryable
from posthouse.ports.blobs import Blobs
from posthouse.ports.model import LanguageModel
from posthouse.ports.telegram import TelegramGateway
from posthouse.programs.actions import Actions
from posthouse.programs.job import Job
from posthouse.runtime.stow import Stow

CALL_TIMEOUT_S = 60.0


class Reach:
    """`JobReach` of one process. `tokens` has the bots by id."""

    def __init__(
        self, gateway: TelegramGateway, blobs: Blobs, tokens: Mapping[int, str], models: Mapping[str, LanguageModel]
    ) -> None:
        self._gateway = gateway
        self._blobs = blobs
        self._stow = Stow(blobs)
        self._tokens = tokens
        self._models = models

    async def call(self, job: Job, method: str, parameters: dict[str, Any]) -> Any:
        # Written down as an effect of nobody, so that files and aiogram objects become what the gateway takes.
        scratch = Actions(job.bot_id, job.lane, None, cause=job.cause, trace=job.trace)
        scratch.call(method, **parameters)
        if scratch.uploads:
            await self._stow(scratch)
        payload = scratch.effects.deliveries[0].payload
        return await self._called(
            method, self._gateway.call(self._token(job), method, payload, timeout_s=CALL_TIMEOUT_S)
        )

    async def download(self, job: Job, file_id: str, size_max_bytes: int) -> bytes:
        token = self._token(job)
        payload = msgspec.json.encode({"file_id": file_id})
        found = await self._called("getFile", self._gateway.call(token, "getFile", payload))
        return await self._gateway.download(token, found["file_path"], size_max_bytes=size_max_bytes)

    async def keep(self, content: bytes) -> str:
        return await self._blobs.put(content)

    def model(self, name: str) -> LanguageModel | None:
        return self._models.get(name)

    async def close(self) -> None:
        """Let go of the models' connections; the gateway and the blobs are others' to close."""
        for model in self._models.values():
            await model.close()

    def _token(self, job: Job) -> str:
        token = self._tokens.get(job.bot_id)
        if token is None:
            raise AuthorError(f"job {job.task} belongs to no bot of this process: enqueue it from a turn")
        return token

    async def _called(self, method: str, calling: Any) -> Any:
        try:
            return await calling
        except Refused as refused:
            if refused.retry_after_s is None:
                raise
            raise Retryable(str(refused), retry_after_s=refused.retry_after_s) from None
