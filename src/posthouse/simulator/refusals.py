"""How the Bot API says no.

A method raises `Refusal`; the server turns it into `{"ok":false,…}` with the same HTTP status. The texts
follow the catalogue of real ones (facts, section 6): whoever changes one here changes what clients match
on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Refusal(Exception):
    """The Bot API refuses this call."""

    code: int
    description: str
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.description}"

    def wire(self) -> dict[str, object]:
        """The answer's body."""
        body: dict[str, object] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        elif self.migrate_to_chat_id is not None:
            body["parameters"] = {"migrate_to_chat_id": self.migrate_to_chat_id}
        return body


def bad_request(text: str) -> Refusal:
    return Refusal(400, f"Bad Request: {text}")


def forbidden(text: str) -> Refusal:
    return Refusal(403, f"Forbidden: {text}")


def conflict(text: str) -> Refusal:
    return Refusal(409, f"Conflict: {text}")


def too_many_requests(retry_after_s: int) -> Refusal:
    return Refusal(429, f"Too Many Requests: retry after {retry_after_s}", retry_after=retry_after_s)


def not_implemented(what: str) -> Refusal:
    """An honest hole: Telegram could do it, the simulator cannot yet."""
    return Refusal(501, f"Not Implemented: the simulator {what}")


def query_too_old() -> Refusal:
    return bad_request("query is too old and response timeout expired or query ID is invalid")
