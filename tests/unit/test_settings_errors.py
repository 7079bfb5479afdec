"""Every wrong configuration is refused at start, naming the key, the file and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from posthouse.core.errors import ConfigurationInvalid
from posthouse.settings import Settings, load, parse, sqlite_path

PATH = Path("/srv/bots/posthouse.toml")
ENVIRONMENT = {"TOKEN": "1001:abc", "OTHER": "1001:xyz", "SECRET": "s3cret"}


def settings(**tables: Any) -> Settings:
    return parse(tables, path=PATH, environment=ENVIRONMENT)


def bot(**keys: Any) -> dict[str, Any]:
    return {"shop": {"program": "shop:app", "token": "${TOKEN}", "mode": "polling", **keys}}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is wrong: (tables, the key as the message names it, a word of the mend)
    "an unknown table": ({"stroe": {}}, "stroe", "docs/settings.md"),
    "an unknown key": ({"store": {"urll": "x"}}, "store.urll", "docs/settings.md"),
    "an unknown key of a bot": ({"bots": bot(tokne="x")}, "bots.shop.tokne", "docs/settings.md"),
    "an unknown key two tables down": (
        {"ingress": {"per_ip": {"per_min": 1}}},
        "ingress.per_ip.per_min",
        "docs/settings.md",
    ),
    "a key that only the program may set": ({"root": "/"}, "root", "docs/settings.md"),
    "a text for a number": ({"http": {"port": "http"}}, "http.port", "int"),
    "a value out of a list": ({"log": {"level": "loud"}}, "log.level", "loud"),
    "a port that is none": ({"http": {"port": 70_000}}, "http.port", "70000"),
    "another database": ({"store": {"url": "mysql://u:pass@h/d"}}, "store.url", "sqlite:///"),
    "short memory of updates": ({"retention": {"seen_hours": 24}}, "retention.seen_hours", "48"),
    "a bot's name": ({"bots": {"my shop": bot()["shop"]}}, "bots.my shop", "letters"),
    "a bot without a program": ({"bots": {"shop": {"token": "${TOKEN}"}}}, "bots.shop", "program"),
    "a program without an object": ({"bots": bot(program="shop")}, "bots.shop.program", "module:object"),
    "a token in the file": ({"bots": bot(token="1001:abc")}, "bots.shop.token", "environment"),
    "a token half in the file": ({"bots": bot(token="1001:${TOKEN}")}, "bots.shop.token", "environment"),
    "a secret in the file": ({"bots": bot(secret="s3cret")}, "bots.shop.secret", "environment"),
    "a variable that is not set": ({"bots": bot(token="${NOWHERE}")}, "bots.shop.token", "NOWHERE"),
    "a variable that is not set, elsewhere": (
        {"store": {"url": "postgresql://${NOWHERE}@h/d"}},
        "store.url",
        "NOWHERE",
    ),
    "a token that is none": ({"bots": bot(token="${SECRET}")}, "bots.shop.token", "BotFather"),
    "a webhook without a secret": ({"bots": bot(mode="webhook")}, "bots.shop.secret", "polling"),
    "a secret that Telegram refuses": (
        {"bots": bot(mode="webhook", secret="${TOKEN}")},
        "bots.shop.secret",
        "A-Z a-z 0-9 _ -",
    ),
    "a webhook without an address": (
        {"bots": bot(mode="webhook", secret="${SECRET}")},
        "http.public_url",
        "register_webhooks = false",
    ),
    "too many connections": ({"bots": bot(max_connections=101)}, "bots.shop.max_connections", "1-100"),
    "no attempt at all": ({"bots": bot(attempts_max=0)}, "bots.shop.attempts_max", "first try"),
    "a bot twice": (
        {"bots": bot() | {"kiosk": {"program": "k:app", "token": "${OTHER}", "mode": "polling"}}},
        "bots.kiosk.token",
        "configured twice",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.req("S1-8")
def test_a_wrong_setting_is_refused(what: str) -> None:
    """The message names the key, the file and what to do, and holds no secret."""
    tables, key, mend = REFUSED[what]
    with pytest.raises(ConfigurationInvalid) as refused:
        settings(**tables)
    message = str(refused.value)
    assert key in message
    assert str(PATH) in message
    assert mend in message
    assert not any(secret in message for secret in ("1001:abc", "s3cret", "pass@"))


def test_a_missing_file_is_named_with_the_mend(tmp_path: Path) -> None:
    """Without a configuration the message says how to get one."""
    words = r"posthouse\.toml cannot be read .*--config FILE.*posthouse new NAME"
    with pytest.raises(ConfigurationInvalid, match=words):
        load(tmp_path / "posthouse.toml", environment={})


def test_a_file_that_is_not_toml_is_named_with_the_place(tmp_path: Path) -> None:
    """TOML's own complaint comes with the file's name."""
    path = tmp_path / "posthouse.toml"
    path.write_text("[store\n")
    with pytest.raises(ConfigurationInvalid, match=r"posthouse\.toml is not TOML: .*line 1"):
        load(path, environment={})


def test_secrets_come_from_the_environment() -> None:
    """A variable is filled in, and everything else keeps its default."""
    found = settings(bots=bot(mode="webhook", secret="${SECRET}"), http={"public_url": "https://x.example"})
    assert found.bots["shop"].token == "1001:abc"
    assert found.bots["shop"].secret == "s3cret"
    assert found.executor == Settings().executor


def test_relative_paths_count_from_the_file() -> None:
    """The same configuration means the same database, wherever the command is run."""
    assert sqlite_path(settings(store={"url": "sqlite:///data/p.db"})) == "/srv/bots/data/p.db"
    assert sqlite_path(settings(store={"url": "sqlite:////var/p.db"})) == "/var/p.db"
