"""How often which error came within the last hour: a face on the error groups and their series.

What is logged is counted already. `record_error` counts what is not logged; it raises no alert.
"""

from collections import Counter
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from logging_core.sanitize import text_of
from logging_core.streams.connection import clock
from logging_core.streams.stream import coded, script_text, shard_key
from rules.bounds import Bounds
from rules.counters import ERRORS, QUIET_ERRORS, count_reported
from rules.error_groups import GROUPS, ErrorGroups
from rules.fingerprint import TEXT_LIMIT
from rules.matcher import Matcher, MatchOp
from rules.promql.values import NAME
from rules.record import ErrorInfo, Record
from rules.series import HISTORY, SeriesReader

if TYPE_CHECKING:
    from redis import Redis

_SCRIPT = script_text(Path(__file__).with_name("apply.lua"))


class ErrorAggregator:
    """Counts errors by type and message. Messages that differ only in numbers, ids, paths and quoted parts are one.

    Threads may share one. Every method may raise what redis-py raises.
    """

    def __init__(self, redis: "Redis", service: str = "application") -> None:
        """Args:
            redis: a client that answers with bytes.
            service: under which the groups of what is recorded here are kept.

        Raises:
            ValueError: the client was made with `decode_responses=True`.
        """
        if redis.get_encoder().decode_responses:
            raise ValueError("ErrorAggregator needs a client without decode_responses=True")
        self._redis = redis
        self._service = service
        self._bounds: tuple[float, Bounds] | None = None  # and when they were loaded
        self._reader = SeriesReader(redis)
        self._reading = Lock()

    def record_error(self, error_type: str, error_message: str) -> None:
        """Count one error, now. What is no text counts as the text that it has."""
        now = self._now()
        error = Record(level="ERROR", message=_text(error_message), service=self._service, alert=False)
        error.error = ErrorInfo(type=_text(error_type))
        keys, steps = coded(count_reported(error, self._bounds_at(now), now), first=1)
        self._redis.register_script(_SCRIPT)(keys=keys, args=[steps])

    def get_top_errors(self, error_type: str, limit: int = 10) -> list[tuple[str, int]]:
        """The most frequent errors of a type in the last hour: (the newest such message, how often), largest first."""
        now = self._now()
        counts: Counter[str] = Counter()
        with self._reading:
            window = self._reader.window(now, HISTORY)
            for name in (ERRORS, QUIET_ERRORS):
                of_type = Matcher("error_type", MatchOp.EQUAL, _text(error_type)[:TEXT_LIMIT])
                for run in window.runs([Matcher(NAME, MatchOp.EQUAL, name), of_type], now - HISTORY, now):
                    counts[run.labels["group"]] += round(run.last - run.first)
        groups = ErrorGroups(self._redis)
        top = [(groups.get(group), count) for group, count in counts.most_common(limit) if count]
        return [(group.sample, count) for group, count in top if group]

    def _now(self) -> float:
        return clock(self._redis, shard_key(0, GROUPS))

    def _bounds_at(self, now: float) -> Bounds:
        if self._bounds is None or now - self._bounds[0] > HISTORY:
            self._bounds = now, Bounds.load(self._redis)
        return self._bounds[1]


def _text(said: object) -> str:
    return text_of(said).encode("utf-8", "replace").decode()
