"""The metrics, in the words of the vocabulary. One object, given to whoever counts; its registry renders `/metrics`.

The two alarms that operators use: `posthouse_lane_oldest_waiting_seconds` and `posthouse_dead_letters_total`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as Counting

from posthouse.ports.store import Gauges
from posthouse.runtime.tallies import Count, Spread, Tally

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """All counters, histograms and gauges of one platform process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=False)
        # Once or more for every update, so counted the cheap way (`runtime.tallies`).
        self.updates = self._count("updates_received", "Updates by what ingress did with them", "bot", "result")
        self.ingest_seconds = self._spread("ingest_commit_seconds", "Time to store a batch of updates", _FAST).labels()
        self.ingest_batch = self._spread("ingest_batch_size", "Updates per stored batch", _SIZES).labels()
        self.turn_seconds = self._spread("turn_seconds", "Time a handler ran", _FAST, "bot", "outcome")
        self.queue_wait = self._spread("queue_wait_seconds", "Time from stored to claimed", _FAST).labels()
        self.commit_seconds = self._spread("turn_commit_seconds", "Time to commit a batch of turns", _FAST).labels()
        self.commit_batch = self._spread("turn_commit_batch_size", "Settlements per commit", _SIZES).labels()
        # What programs count (`Turn.count`). The first four names are those of S0-45, hence without our prefix.
        self._by_name = {
            name: Tally(name, text, labels, Count, self.registry)
            for name, text, labels in (
                ("session_resolve", "Sessions looked for by an event", ("event", "result", "reason")),
                ("session_transition", "Transitions of sessions", ("from", "to", "result")),
                ("callback_legacy", "Presses of buttons that do not name session and revision", ("event",)),
                ("reject_event", "Events that were rejected", ("event", "reason")),
                ("posthouse_conversation_resumes", "Conversations that went on, live or replayed", ("how",)),
            )
        }
        # The rest happens less often.
        self.fenced = self._counter("finish_stale", "Settlements refused because the lease was lost", "what")
        self.reaped = self._counter("leases_reaped", "Leases taken back from the dead or overdue", "what")
        self.dead_letters = self._counter("dead_letters", "Items given up", "bot", "what", "reason")
        self.deliveries = self._counter("deliveries", "Sends by outcome", "bot", "outcome")
        self.delivery_seconds = self._histogram("delivery_seconds", "Time of one Bot API call", _FAST, "method")
        self.throttled = self._counter("delivery_throttled", "429 answers from Telegram", "bot", "scope")
        self.jobs = self._counter("jobs", "Jobs by outcome", "queue", "task", "outcome")
        self.job_seconds = self._histogram("job_seconds", "Time a job ran", _FAST, "task")
        self.timers_fired = self._counter("timers_fired", "Timers that came due")
        self.cron_fired = self._counter("cron_fired", "Schedules that fired", "name")
        self.polling_errors = self._counter("polling_errors", "getUpdates calls that failed", "bot", "code")

    def count(self, counted: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Add what turns have counted (`Turn.count`)."""
        for (name, labels), times in Counter(counted).items():
            self._by_name[name].labels(*labels).inc(times)

    def _count(self, name: str, text: str, *labels: str) -> Tally[Count]:
        return Tally(f"posthouse_{name}", text, labels, Count, self.registry)

    def _spread(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Tally[Spread]:
        return Tally(f"posthouse_{name}", text, labels, lambda: Spread(bounds), self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counting:
        return Counting(f"posthouse_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"posthouse_{name}", text, labels, buckets=buckets, registry=self.registry)

    def show_gauges(self, latest: Callable[[], Gauges]) -> None:
        """Let the page show the store's gauges; `latest` returns the newest reading without touching the database."""
        for field, name, text in (
            ("lanes_waiting", "lanes_waiting", "Lanes with a due entry (capped)"),
            ("lanes_leased", "lanes_leased", "Lanes being worked on (capped)"),
            ("lanes_blocked", "lanes_blocked", "Lanes held or backing off (capped)"),
            ("oldest_waiting_s", "lane_oldest_waiting_seconds", "Age of the oldest waiting entry"),
            ("outbox_waiting", "outbox_lanes_waiting", "Outbound lanes with something to send (capped)"),
            ("oldest_delivery_s", "outbox_oldest_waiting_seconds", "Age of the oldest waiting delivery"),
            ("jobs_waiting", "jobs_waiting", "Jobs that wait (capped)"),
            ("jobs_running", "jobs_running", "Jobs that run (capped)"),
            ("dead_letters_open", "dead_letters_open", "Dead letters nobody has decided on (capped)"),
        ):
            gauge = Gauge(f"posthouse_{name}", text, registry=self.registry)
            gauge.set_function(lambda field=field: float(getattr(latest(), field)))  # type: ignore[misc]
