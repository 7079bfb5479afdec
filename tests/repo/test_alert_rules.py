"""The alert rules that we ship ask for metrics that we export, and tell people commands that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support_commands import check_posthouse

from posthouse.core.sessions import Reason
from posthouse.ports.store import Gauges
from posthouse.runtime.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = FOLDER / "posthouse-alerts.yml"
TESTS = FOLDER / "posthouse-alerts.test.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
EVERY_ALERT = pytest.mark.parametrize("alert", [pytest.param(rule, id=rule["alert"]) for rule in ALERTS])

SCRAPED = {"job", "instance"}  # labels that Prometheus itself adds
WORDS = {"and", "or", "unless", "by", "on", "group_left", "offset"}
VALUES: dict[tuple[str, str], set[str]] = {
    ("session_resolve_total", "reason"): {*Reason},
    ("session_resolve_total", "result"): {"ok", "reject"},
    ("reject_event_total", "reason"): {*Reason},
}
_SELECTOR = re.compile(r"([a-z_]+)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_COMMAND = re.compile(r"`posthouse ([^`]+)`")


def exported() -> dict[str, set[str]]:
    """Every metric that an alert may name, with its labels: counted once each, and read as `/metrics` reads it."""
    metrics = Metrics()
    metrics.show_gauges(Gauges)
    metrics.count(
        [
            ("session_resolve", ("order.pick", "reject", Reason.STALE_REV)),
            ("session_transition", ("choosing", "confirming", "ok")),
            ("callback_legacy", ("order.pick",)),
            ("reject_event", ("order.pick", Reason.STALE_REV)),
        ]
    )
    metrics.ingest_seconds.observe(0.01)
    metrics.queue_wait.observe(0.01)
    metrics.commit_seconds.observe(0.01)
    metrics.turn_seconds.labels("shop", "done").observe(0.01)
    metrics.dead_letters.labels("shop", "entry", "no_price").inc()
    metrics.deliveries.labels("shop", "sent").inc()
    metrics.throttled.labels("shop", "chat").inc()
    metrics.polling_errors.labels("shop", "409").inc()
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


EXPORTED = exported()


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression names: every word that is no function, keyword, label or duration."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|offset \w+|\b(by|on|group_left) ?\([^)]*\)", " ", expression)
    return {word for word, call in re.findall(r"\b([a-z_]+)\b(\s*\()?", bare) if not call and word not in WORDS}


def strangers_in(expression: str) -> Iterator[str]:
    """Metrics, labels and values in an expression that no process of ours exports."""
    named = metrics_in(expression)
    yield from sorted(named - set(EXPORTED))
    for metric, matchers in _SELECTOR.findall(expression):
        for label, value in _MATCHER.findall(matchers):
            if label not in EXPORTED.get(metric, set()):
                yield f"{metric}{{{label}}}"
            known = VALUES.get((metric, label))
            yield from (
                f"{metric}{{{label}={one}}}" for one in value.split("|") if known is not None and one not in known
            )
    known_labels = SCRAPED.union(*(EXPORTED.get(name, set()) for name in named))
    for labels in re.findall(r"\b(?:by|on|group_left) ?\(([^)]*)\)", expression):
        yield from sorted({label.strip() for label in labels.split(",") if label.strip()} - known_labels)


@pytest.mark.req("S0-46")
def test_the_alarms_that_were_asked_for_are_there() -> None:
    """Rejects that grow, database errors, legacy buttons, the two alarms of the road, 429 and polling."""
    watched = [(alert["alert"], metrics_in(alert["expr"]), alert["expr"]) for alert in ALERTS]
    assert len({name for name, _, _ in watched}) == len(watched)
    for metric, also in (
        ("session_resolve_total", "wrong_state|stale_rev"),
        ("reject_event_total", "db_error"),
        ("callback_legacy_total", "offset"),
        ("posthouse_lane_oldest_waiting_seconds", ""),
        ("posthouse_dead_letters_total", ""),
        ("posthouse_delivery_throttled_total", ""),
        ("posthouse_polling_errors_total", ""),
    ):
        assert any(metric in named and also in expression for _, named, expression in watched), metric


@EVERY_ALERT
def test_an_alert_has_the_right_shape(alert: dict[str, Any]) -> None:
    """A name of ours, an expression, how bad it is, what happened, and what to look at with which command."""
    assert set(alert) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert re.fullmatch(r"Posthouse([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert set(alert["annotations"]) == {"summary", "description"}
    assert re.search(_COMMAND, alert["annotations"]["description"])


@EVERY_ALERT
def test_an_alert_asks_for_what_is_exported(alert: dict[str, Any]) -> None:
    """Every metric, label and value of its expression is one of ours."""
    assert metrics_in(alert["expr"])
    assert [*strangers_in(alert["expr"])] == []


@EVERY_ALERT
def test_an_alert_tells_what_it_knows(alert: dict[str, Any]) -> None:
    """A label that is told is one that the expression keeps; metrics and expressions that are told exist too."""
    kept = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", alert["expr"]) for label in labels.split(",")}
    for text in alert["annotations"].values():
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= kept
        told = {name for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text) if name.startswith("posthouse_")}
        told |= set(re.findall(r"\b[a-z_]+_total\b", text))
        assert told <= set(EXPORTED)


@EVERY_ALERT
def test_an_alert_names_commands_that_exist(alert: dict[str, Any]) -> None:
    """With their options: what stands in the description can be typed."""
    for line in _COMMAND.findall(alert["annotations"]["description"]):
        filled = re.sub(r"\{\{[^}]*\}\}", "shop", line)
        check_posthouse(["1" if word in ("ID", "CHAT") else word for word in shlex.split(filled)])


@pytest.mark.parametrize(
    ("expression", "stranger"),
    [
        ("rate(sesion_resolve_total[10m]) > 1", "sesion_resolve_total"),
        ('reject_event_total{reason="stale_callback"}', "reject_event_total{reason=stale_callback}"),
        ('reject_event_total{reason=~"db_error|wrong"}', "reject_event_total{reason=wrong}"),
        ('callback_legacy_total{reason="x"}', "callback_legacy_total{reason}"),
        ("sum by (job, chat) (posthouse_deliveries_total)", "chat"),
    ],
)
def test_what_is_not_exported_is_found(expression: str, stranger: str) -> None:
    """A misspelt metric, a reason of another list, a label that the metric does not have."""
    assert [*strangers_in(expression)] == [stranger]


@pytest.mark.req("S0-46", "C0-13", "C3-9")
def test_the_rules_do_what_they_say() -> None:
    """Prometheus's own tool takes them, and its unit tests say when they fire and when they do not."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: the package prometheus), so nobody has evaluated the rules")
    for arguments in (["check", "rules", RULES.name], ["test", "rules", TESTS.name]):
        done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    """A rule without a test over time may never fire."""
    tested = TESTS.read_text(encoding="utf-8")
    names = [alert["alert"] for alert in ALERTS]
    assert [name for name in names if not re.search(rf'alertname(: |="){name}\b', tested)] == []
