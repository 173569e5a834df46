"""The counters that are derived from log records, and their history.

Of each shard, here 0; readers add them up.

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
from typing import TYPE_CHECKING, Any, cast

import promql_parser as parser

from logging_core.streams.stream import Change, shard_key, shards
from rules.forgetting import forget
from rules.matcher import Labels, Matcher, MatchOp, quoted
from rules.promql.values import NAME, Run, Sample
from rules.record import seconds

if TYPE_CHECKING:
    from redis import Redis

TOTAL = "series:total"
BORN = "series:born"
GROWN = "series:grown"
CHANGED = "series:changed"
SECOND = "series:second:"
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


def counted_at(timestamp: str, now: float) -> float:
    """Unix seconds at which a record counts: its own, within [now - HISTORY, now]."""
    return min(max(seconds(timestamp, now), now - HISTORY), now)


def growth(increments: Mapping[tuple[str, int], float]) -> list[Change]:
    """The changes that count (series, Unix second) -> increment."""
    totals: defaultdict[str, float] = defaultdict(int)
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
    forgotten = 0
    for shard in shards(redis):
        changed = shard_key(shard, CHANGED)
        idle = forget(redis, [shard_key(shard, name) for name in (GROWN, TOTAL, BORN)], now - IDLE_EXPIRY)
        if idle:
            redis.hincrby(changed, str(floor(now)), 1)  # readers look again
        old = [second for second in redis.hkeys(changed) if int(second) <= now - HISTORY]
        forgotten += idle + (int(redis.hdel(changed, *old)) if old else 0)
    return forgotten


def known(redis: "Redis") -> set[str]:
    """The canonical texts of all series."""
    texts = (cast("list[bytes]", redis.hkeys(shard_key(shard, TOTAL))) for shard in shards(redis))
    return {text.decode() for each in texts for text in each}


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
    """Reads the counters of all shards, keeps them, and asks only for what changed. One for each process."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._reach = 0.0  # seconds of history that are kept
        self._known: dict[tuple[int, int], int] = {}  # (shard, second) -> its number when it was read
        self._counters: dict[bytes, Counter] = {}
        self._by_name: defaultdict[str, list[Counter]] = defaultdict(list)

    def window(self, now: float, seconds: float) -> Window:
        """The counters as they are now, with at least this many seconds of history, at most HISTORY."""
        held = shards(self._redis)
        changed = self._changed(held)
        if seconds > self._reach or self._went_back(changed, now):
            self._forget_all()
            self._reach = max(self._reach, seconds)
        oldest = floor(now - min(self._reach, HISTORY))
        for counter in self._counters.values():
            counter.forget(oldest)
        moved = sorted({second for (_, second), _ in changed.items() - self._known.items()})
        if moved or not self._counters:
            self._read(held, [second for second in moved if second > oldest])
        self._known = changed
        return Window(self._by_name, now)

    def _changed(self, held: Iterable[int]) -> dict[tuple[int, int], int]:
        return {
            (shard, int(second)): int(number)
            for shard in held
            for second, number in self._redis.hgetall(shard_key(shard, CHANGED)).items()
        }

    def _went_back(self, changed: Mapping[tuple[int, int], int], now: float) -> bool:
        """Whether Redis came back older, or empty: it knows less than it did of a second that none may have pruned."""
        lost = self._known.items() - changed.items()
        return any(changed.get(at, 0) < number for at, number in lost if at[1] > now - HISTORY)

    def _read(self, held: Iterable[int], seconds: Sequence[int]) -> None:
        """Read these seconds and the totals. What is written meanwhile changes a number, and is read next time."""
        totals: defaultdict[bytes, float] = defaultdict(float)
        born: dict[bytes, int] = {}
        growths: list[defaultdict[bytes, float]] = [defaultdict(float) for _ in seconds]
        for shard in held:
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hgetall(shard_key(shard, TOTAL))
            pipeline.hgetall(shard_key(shard, BORN))
            for second in seconds:
                pipeline.hgetall(shard_key(shard, f"{SECOND}{second}"))
            its_totals, its_born, *its_growths = pipeline.execute()
            for text, total in its_totals.items():
                totals[text] += float(total)
            for text, second in its_born.items():
                born[text] = min(born.get(text, int(second)), int(second))
            for growth_, increments in zip(growths, its_growths, strict=True):
                for text, increment in increments.items():
                    growth_[text] += float(increment)
        self._drop(self._counters.keys() - totals.keys())
        for text, total in totals.items():
            self._counter(text).total = total
        for text, second in born.items():
            self._counter(text).born = second
        for second, increments in zip(seconds, growths, strict=True):
            for text, increment in increments.items():
                self._counter(text).grew(second, increment)

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
