"""The delivery account as counters, so that rules tell of what is refused, dropped or lost, and of stalled writers.

| key                          | type | meaning                                                               | expiry |
|------------------------------|------|-----------------------------------------------------------------------|--------|
| `tocsin:{0}:series:delivery` | hash | series -> the number of the account that it holds by now; `revision`, | none   |
|                              |      | which grows with each step                                            |        |

The numbers and the counters are moved in one step, so growth is counted once, whoever looks and whoever dies.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from logging_core.streams.account import Account, account
from logging_core.streams.stream import Change, coded, script_text, shard_key
from rules.series import TOTAL, growth, series_labels, series_text

if TYPE_CHECKING:
    from redis import Redis

COUNTED = shard_key(0, "series:delivery")
REFUSED = "tocsin_records_refused_total"
DROPPED = "tocsin_records_dropped_total"
LOST = "tocsin_records_lost"  #: named as the gauge of `/metrics`, of which it holds the growth
STALLS = "tocsin_writer_stalls_total"
_LOST = series_text(LOST, {})
LATE = 30.0  #: seconds in the stream; whoever should write then does not
LOOK_EVERY = 1.0  #: seconds; the account is dear where there are many producers

_SCRIPT = script_text(Path(__file__).with_name("delivery.lua"))


class DeliverySeries:
    """Keeps the counters level with the account."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._looked = 0.0

    def update(self, now: float) -> None:
        """Count what the account has grown by since anybody looked; not more often than each `LOOK_EVERY`."""
        if now - self._looked < LOOK_EVERY:
            return
        kept = account(self._redis)
        if kept.lag > LATE:
            count_stall(self._redis, "late", now)
        found = numbers(kept)
        counted = cast("dict[bytes, bytes]", self._redis.hgetall(COUNTED))
        grown = {series: number - int(counted.get(series.encode(), 0)) for series, number in found.items()}
        increments = {(series, int(now)): number for series, number in grown.items() if number > 0}
        moved = {series: found[series] for series, _ in increments}
        if grown[_LOST] < 0:  # it is no total: what was found again may be lost again
            moved[_LOST] = found[_LOST]
        if moved:
            _apply(self._redis, growth(increments), counted.get(b"revision", b"0").decode(), moved)
        self._looked = now


def numbers(account: Account) -> dict[str, int]:
    """The numbers of the account that have a counter, by their series."""
    return {
        **{series_text(REFUSED, {"reason": reason}): number for reason, number in account.refused.items()},
        **{series_text(DROPPED, {"reason": reason}): number for reason, number in account.dropped.items()},
        _LOST: account.lost,
    }


def count_stall(redis: "Redis", reason: str, now: float) -> list[Change]:
    """Count that a writer stands still, or did; the changes that were applied."""
    changes = growth({(series_text(STALLS, {"reason": reason}), int(now)): 1})
    _apply(redis, changes, "", {})
    return changes


def stalls(redis: "Redis") -> dict[str, int]:
    """How often writers stalled, by reason."""
    found = cast("dict[bytes, bytes]", redis.hgetall(shard_key(0, TOTAL)))
    held = {text.decode(): int(float(total)) for text, total in found.items() if text.startswith(STALLS.encode())}
    return {series_labels(text)["reason"]: total for text, total in sorted(held.items())}


def _apply(redis: "Redis", changes: list[Change], revision: str, moved: Mapping[str, int]) -> None:
    names, steps = coded(changes, first=2)
    pairs = [item for pair in moved.items() for item in pair]
    redis.register_script(_SCRIPT)(keys=[COUNTED, *names], args=[revision, steps, *pairs])
