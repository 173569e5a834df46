"""The counters that are derived from log records, and their history.

| key                           | type | meaning                                                      | expiry |
|-------------------------------|------|--------------------------------------------------------------|--------|
| `tocsin:{0}:series:total`     | hash | series -> its total so far                                   | pruned |
| `tocsin:{0}:series:born`      | hash | series -> Unix second of its explicit zero                   | pruned |
| `tocsin:{0}:series:grown`     | hash | series -> the last Unix second in which it grew              | pruned |
| `tocsin:{0}:series:second:<s>`| hash | series -> what it grew by in Unix second s                   | 3900 s |
| `tocsin:{0}:series:changed`   | hash | Unix second -> a number that grows when that second is written | pruned |

A series is written `name{a="b",c="d"}`, its labels sorted. It has a sample at every whole second from its birth to now:
the sum of all growth up to and including that second; the first is 0. One that has not grown for 7 days is forgotten.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import floor
from typing import TYPE_CHECKING, Any

import promql_parser as parser

from logging_core.stream import Change
from rules.forgetting import forget
from rules.matcher import Labels, Matcher, MatchOp, quoted
from rules.promql.values import NAME, Run, Sample

if TYPE_CHECKING:
    from redis import Redis

TOTAL = "tocsin:{0}:series:total"
BORN = "tocsin:{0}:series:born"
GROWN = "tocsin:{0}:series:grown"
CHANGED = "tocsin:{0}:series:changed"
SECOND = "tocsin:{0}:series:second:"
HISTORY = 3600  #: seconds that can be looked back
SECOND_EXPIRY = 3900  #: seconds
IDLE_EXPIRY = 7 * 86_400  #: seconds without growth, after which a series is forgotten


def series_text(name: str, labels: Labels) -> str:
    """The canonical text of a series; a label without a value is as good as none."""
    written = ",".join(f"{label}={quoted(labels[label])}" for label in sorted(labels) if labels[label])
    return f"{name}{{{written}}}"


def series_labels(text: str) -> dict[str, str]:
    """The labels of a canonical text, the metric's name among them."""
    selector: Any = parser.parse(text)
    return {NAME: selector.name} | {each.name: each.value for each in selector.matchers.matchers}


def growth(increments: Mapping[tuple[str, int], int]) -> list[Change]:
    """The changes that count (series, Unix second) -> increment."""
    totals: defaultdict[str, int] = defaultdict(int)
    born: dict[str, int] = {}
    grown: dict[str, int] = {}
    for (series, second), increment in increments.items():
        totals[series] += increment
        born[series] = min(born.get(series, second), second)
        grown[series] = max(grown.get(series, second), second)
    return [
        *(Change("add", TOTAL, series, total, 0) for series, total in totals.items()),
        *(Change("min", BORN, series, second - 1, 0) for series, second in born.items()),
        *(Change("max", GROWN, series, second, 0) for series, second in grown.items()),
        *(
            Change("add", f"{SECOND}{second}", series, increment, SECOND_EXPIRY)
            for (series, second), increment in increments.items()
        ),
        *(Change("add", CHANGED, str(second), 1, 0) for second in sorted({second for _, second in increments})),
    ]


def prune(redis: "Redis", now: float) -> int:
    """Forget which seconds were written, beyond the history, and idle series; the number of both."""
    idle = forget(redis, [GROWN, TOTAL, BORN], now - IDLE_EXPIRY)
    if idle:
        redis.hincrby(CHANGED, str(floor(now)), 1)  # readers look again
    old = [second for second in redis.hkeys(CHANGED) if int(second) <= now - HISTORY]
    return idle + (int(redis.hdel(CHANGED, *old)) if old else 0)


class Counter:
    """One series: its total, and when it grew; the seconds in which it did not are left out."""

    def __init__(self, text: str) -> None:
        self.labels = series_labels(text)
        self.born = 0
        self.total = 0.0
        self._seconds: list[int] = []
        self._sums: list[float] = []  # of all growth up to and including that second, from an arbitrary start
        self._start = 0.0

    def grew(self, second: int, increment: float) -> None:
        """Note what it grew by in that second, in place of what was known of it."""
        at = bisect_left(self._seconds, second)
        before = self._sums[at - 1] if at else self._start
        if at == len(self._seconds) or self._seconds[at] != second:
            self._seconds.insert(at, second)
            self._sums.insert(at, before)
        correction = before + increment - self._sums[at]
        for index in range(at, len(self._sums)):  # nearly always the last one alone
            self._sums[index] += correction

    def value(self, second: int) -> float:
        """Its sample at a whole second."""
        at = bisect_right(self._seconds, second)
        if at == len(self._seconds):
            return self.total
        return self.total - (self._sums[-1] - (self._sums[at - 1] if at else self._start))

    def forget(self, second: int) -> None:
        """Drop the history up to and including that second."""
        at = bisect_right(self._seconds, second)
        if at:
            self._start = self._sums[at - 1]
            del self._seconds[:at], self._sums[:at]


class Window:
    """The counters at a moment, as queries read them; good until its reader makes the next one."""

    def __init__(self, counters: Mapping[str, Sequence[Counter]], now: float) -> None:
        self._counters = counters
        self._now = floor(now)

    def latest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Sample]:
        """The newest sample of each matching counter in (start, end]."""
        last = min(floor(end), self._now)
        if last > start:
            for counter in self._matching(matchers):
                if counter.born <= last:
                    yield Sample(counter.labels, counter.value(last))

    def runs(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterator[Run]:
        """A run of each matching counter that has samples in (start, end]."""
        last = min(floor(end), self._now)
        for counter in self._matching(matchers):
            first = max(floor(start) + 1, counter.born)
            if first <= last:
                yield Run(counter.labels, last - first + 1, first, counter.value(first), last, counter.value(last))

    def _matching(self, matchers: Sequence[Matcher]) -> Iterable[Counter]:
        named = [each.value for each in matchers if each.name == NAME and each.op is MatchOp.EQUAL]
        counters = self._counters.get(named[0], ()) if named else ()
        others = [each for each in matchers if each.name != NAME]
        return (each for each in counters if all(matcher.matches(each.labels) for matcher in others))


class SeriesReader:
    """Reads the counters, keeps them, and asks only for the seconds that changed. One for each process."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._reach = 0.0  # seconds of history that are kept
        self._known: Mapping[Any, Any] = {}  # second -> its number when it was read, both as Redis writes them
        self._counters: dict[bytes, Counter] = {}
        self._by_name: defaultdict[str, list[Counter]] = defaultdict(list)

    def window(self, now: float, seconds: float) -> Window:
        """The counters as they are now, with at least this many seconds of history, at most HISTORY."""
        changed = self._redis.hgetall(CHANGED)
        if seconds > self._reach or self._went_back(changed, now):
            self._forget_all()
            self._reach = max(self._reach, seconds)
        oldest = floor(now - min(self._reach, HISTORY))
        for counter in self._counters.values():
            counter.forget(oldest)
        moved = sorted(int(second) for second, _ in changed.items() - self._known.items())
        if moved or not self._counters:
            self._read([second for second in moved if second > oldest])
        self._known = changed
        return Window(self._by_name, now)

    def _went_back(self, changed: Mapping[Any, Any], now: float) -> bool:
        """Whether Redis came back older, or empty: it knows less than it did of a second that none may have pruned."""
        lost = self._known.items() - changed.items()
        return any(int(changed.get(second, 0)) < int(number) for second, number in lost if int(second) > now - HISTORY)

    def _read(self, seconds: Sequence[int]) -> None:
        """Read these seconds and the totals. What is written meanwhile changes a number, and is read next time."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hgetall(TOTAL)
        pipeline.hgetall(BORN)
        for second in seconds:
            pipeline.hgetall(f"{SECOND}{second}")
        totals, born, *growths = pipeline.execute()
        self._drop(self._counters.keys() - totals.keys())
        for text, total in totals.items():
            self._counter(text).total = float(total)
        for text, second in born.items():
            self._counter(text).born = int(second)
        for second, increments in zip(seconds, growths, strict=True):
            for text, increment in increments.items():
                self._counter(text).grew(second, float(increment))

    def _counter(self, text: bytes) -> Counter:
        counter = self._counters.get(text)
        if counter is None:
            counter = self._counters[text] = Counter(text.decode())
            self._by_name[counter.labels[NAME]].append(counter)
        return counter

    def _drop(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            counter = self._counters.pop(text)
            self._by_name[counter.labels[NAME]].remove(counter)

    def _forget_all(self) -> None:
        self._known = {}
        self._counters.clear()
        self._by_name.clear()
