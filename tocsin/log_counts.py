"""Records counted by their fields, or over time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from logging_core.printable import printable
from rules.conditions import find, text_of
from rules.log_query import Found

TIME = "time"  #: counted by when they happened
MAX_GROUPS = 100_000  #: what comes after so many different ones is counted as `OTHER`
MAX_ROWS = 60  #: of a count over time, which chooses its step by it
OTHER, NONE = "(other)", "-"
_STEPS = tuple(minutes * 60 for minutes in (1, 5, 10, 30, 60, 180, 360, 720, 1440))  # seconds

_Key = tuple[str, ...]


class Counts:
    """How many records have each combination of the values of some fields."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = tuple(fields)
        self._counted: Counter[_Key] = Counter()

    def add(self, found: Found) -> None:
        """Count a record."""
        key = tuple(_part(found, name) for name in self._fields)
        if key not in self._counted and len(self._counted) >= MAX_GROUPS:
            key = (OTHER,) * len(key)
        self._counted[key] += 1

    def total(self) -> int:
        """How many were counted."""
        return self._counted.total()

    def as_dict(self) -> dict[str, Any]:
        """The counts as nested objects, the fields from the outside in."""
        tree: dict[str, Any] = {}
        for key, number in self._rows():
            branch = tree
            for part in key[:-1]:
                branch = branch.setdefault(part, {})
            branch[key[-1]] = number
        return tree

    def lines(self) -> Iterable[str]:
        """The counts as a table, most frequent first; over time in its order."""
        rows = self._rows()
        width = max((len(f"{number:,}") for _, number in rows), default=0)
        return (f"{number:>{width},}  {'  '.join(map(printable, key))}" for key, number in rows)

    def _rows(self) -> list[tuple[_Key, int]]:
        if TIME not in self._fields:
            return sorted(self._counted.items(), key=lambda row: (-row[1], row[0]))
        at = self._fields.index(TIME)
        step = _step([key[at] for key in self._counted])
        rows: Counter[_Key] = Counter()
        for key, number in self._counted.items():
            rows[(*key[:at], _rounded(key[at], step), *key[at + 1 :])] += number
        return sorted(rows.items(), key=lambda row: (row[0][at], -row[1], row[0]))


def _part(found: Found, name: str) -> str:
    if name == TIME:
        return found.when[:16] or NONE
    text = text_of(find(found.fields, name))
    return NONE if text is None else text


def _step(minutes: Iterable[str]) -> int:
    moments = [seconds for seconds in map(_seconds, minutes) if seconds is not None]
    span = max(moments) - min(moments) if moments else 0
    return next((step for step in _STEPS if span <= step * (MAX_ROWS - 1)), _STEPS[-1])


def _seconds(minute: str) -> int | None:
    if minute in (NONE, OTHER):
        return None
    return int(datetime.fromisoformat(minute).replace(tzinfo=UTC).timestamp())


def _rounded(minute: str, step: int) -> str:
    seconds = _seconds(minute)
    if seconds is None:
        return minute
    rounded = datetime.fromtimestamp(seconds - seconds % step, UTC).replace(tzinfo=None)
    return f"{rounded.isoformat(timespec='minutes')}Z"


def fields_of(text: str) -> list[str]:
    """The fields of `level,service`.

    Raises:
        ValueError: one has no name.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"{text!r} is no list of fields such as level,service")
    return names
