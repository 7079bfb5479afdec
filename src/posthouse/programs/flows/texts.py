"""What a person reads when an event is rejected, in English and Russian (C0-10, C0-12).

An app says it in its own words with texts under the keys `reject.<reason>` or `reject.<detail>`; the detail goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from posthouse.core.sessions import Reason

W = TypeVar("W")

# The reasons at which the person must stop and look; the others are a passing note (G0-2, C0-10).
ALERTS = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.WRONG_OWNER,
        Reason.WRONG_FLOW,
        Reason.WRONG_STATE,
        Reason.STALE_REV,
        Reason.EXPIRED,
        Reason.LEGACY_FORMAT,
        Reason.DB_ERROR,
    }
)

TEXTS: Mapping[str, Mapping[Reason, str]] = {
    "en": {
        Reason.NOT_FOUND: "This menu is outdated. Start again, please.",
        Reason.WRONG_OWNER: "This menu belongs to somebody else.",
        Reason.WRONG_FLOW: "This button belongs to another menu.",
        Reason.WRONG_STATE: "This menu is outdated. Here is the current one.",
        Reason.STALE_REV: "This menu is outdated. Here is the current one.",
        Reason.ALREADY_DONE: "This is finished already.",
        Reason.IN_PROGRESS: "One moment, it is being done.",
        Reason.EXPIRED: "This menu is outdated: nothing happened here for a long time. Start again, please.",
        Reason.LEGACY_FORMAT: "This menu is outdated. Start again, please.",
        Reason.DB_ERROR: "Something went wrong on our side, and nothing was changed. Try again, please.",
    },
    "ru": {
        Reason.NOT_FOUND: "Это меню устарело. Начните, пожалуйста, заново.",
        Reason.WRONG_OWNER: "Это меню другого человека.",
        Reason.WRONG_FLOW: "Эта кнопка из другого меню.",
        Reason.WRONG_STATE: "Это меню устарело. Вот актуальное.",
        Reason.STALE_REV: "Это меню устарело. Вот актуальное.",
        Reason.ALREADY_DONE: "Это уже завершено.",
        Reason.IN_PROGRESS: "Минутку, уже делаем.",
        Reason.EXPIRED: "Это меню устарело: здесь давно ничего не происходило. Начните, пожалуйста, заново.",
        Reason.LEGACY_FORMAT: "Это меню устарело. Начните, пожалуйста, заново.",
        Reason.DB_ERROR: "Что-то пошло не так на нашей стороне, ничего не изменилось. Попробуйте ещё раз.",
    },
}


def default_text(reason: Reason, language: str) -> str:
    """Our own words for a reason, English where we do not speak the language."""
    return in_language(TEXTS, language)[reason]


def in_language(words: Mapping[str, W], language: str) -> W:
    """Our own words in a language (`ru`, `pt-br`), English where we do not speak it."""
    return words.get(language.split("-")[0], words["en"])
