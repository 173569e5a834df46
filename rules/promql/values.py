"""What queries are made of: samples, vectors, and where they come from."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rules.errors import EvaluationError
from rules.matcher import Labels, Matcher

NAME = "__name__"  #: the label that holds the metric's name
Signature = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One element of an instant vector."""

    labels: Labels
    value: float


Vector = list[Sample]
Value = float | Vector  #: a scalar or an instant vector


class Run(NamedTuple):
    """What a range selector sees of one series, summed up; times are Unix seconds."""

    labels: Labels
    size: int  #: samples in the range, at least 1
    first_time: float
    first: float
    last_time: float
    last: float
    reset: float = 0.0  #: what counter resets took away: the sum of the values just before each


class Samples(Protocol):
    """A source of samples. Both selections are left-open: start < time <= end."""

    def latest(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Sample]:
        """The newest sample of each matching series, unless it is marked stale."""

    def runs(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Run]:
        """A run of each matching series that has samples."""


def without(labels: Labels, names: frozenset[str]) -> dict[str, str]:
    """The labels, less those named."""
    return {name: value for name, value in labels.items() if name not in names}


def nameless(labels: Labels) -> dict[str, str]:
    """The labels, less the metric's name."""
    return {name: value for name, value in labels.items() if name != NAME}


def signature(labels: Labels) -> Signature:
    """A key that equal label sets share."""
    return tuple(sorted(labels.items()))


def distinct(vector: Vector) -> Vector:
    """The same vector; losing its metric names must not have made two elements the same.

    Raises:
        EvaluationError: where it has.
    """
    if len({signature(sample.labels) for sample in vector}) != len(vector):
        raise EvaluationError("vector cannot contain metrics with the same labelset")
    return vector
