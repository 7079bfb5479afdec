"""Counting on the hot path: plain numbers that become Prometheus metrics only when the page is read.

`prometheus_client`'s own counters and histograms take a lock and walk their buckets for every observation: some
microseconds, several times per update. The event loop is the only writer here, so a number in a list will do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Count:
    """One labelled counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, by: int = 1) -> None:
        self.value += by


class Spread:
    """One labelled histogram: how many observations fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Cumulated, as Prometheus wants them."""
        so_far = 0
        for bound, count in zip(self._bounds, self.counts, strict=False):
            so_far += count
            yield str(float(bound)), so_far
        yield "+Inf", so_far + self.counts[-1]


M = TypeVar("M", Count, Spread)


class Tally(Collector, Generic[M]):
    """A family of counts or spreads. `labels(…)` gives the one to keep and write to."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], make: Callable[[], M], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._make: Callable[[], M] = make
        self._members: dict[tuple[str, ...], M] = {}
        registry.register(self)

    def labels(self, *values: str) -> M:
        member = self._members.get(values)
        if member is None:
            if len(values) != len(self._labels):
                raise ValueError(f"{self._name} has the labels {self._labels}, not {values}")
            member = self._members[values] = self._make()
        return member

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        counter = CounterMetricFamily(self._name, self._text, labels=self._labels)
        histogram = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, member in self._members.items():
            if isinstance(member, Count):
                counter.add_metric(values, member.value)
            else:
                histogram.add_metric(values, list(member.buckets()), member.total)
        return [counter if isinstance(self._make(), Count) else histogram]
