"""Texts in several languages: one file, one way to ask, one check that nothing is missing.

    messages.txt ─► Messages.load ─► t(key, lang, **values) ─► what a person reads
                         │           t_all(key) ─► that text in all languages, to know a button of a reply keyboard
                         └─► check(messages, package) ─► problems: missing, unknown, unused, …

A *key* names a text; a *text* is what one language says for it. A line of the file is one text:

    # shown by /start
    en:start | "Hello, {name}!"
    ru:start | "Привет, {name}!"
    en:sets | "{n, plural, one{# set} other{# sets}}"
    ru:sets | "{n, plural, one{# подход} few{# подхода} many{# подходов} other{# подхода}}"

What braces can say is in `posthouse.kits.i18n.patterns`, what the file may hold in `posthouse.kits.i18n.messages`, how
uses are found in `posthouse.kits.i18n.usage`. The usual module of a bot, `i18n/loader.py`:

    messages = Messages.load(Path(__file__).with_name("messages.txt"))
    t, t_all = messages.t, messages.t_all

Deliberately absent: a current language kept in a context variable (the caller says whose text it asks for), and
reloading (texts are code, and are deployed with it).
"""

from __future__ import annotations

from posthouse.kits.i18n.messages import ArgumentInvalid, Messages, UnknownKey
from posthouse.kits.i18n.usage import N_, Problem, assert_complete, check

__all__ = ["N_", "ArgumentInvalid", "Messages", "Problem", "UnknownKey", "assert_complete", "check"]
