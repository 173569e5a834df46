"""How much of what was planted was found, and how much of what was found had been planted."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from rules.event import Event
from tocsin.planting.blocks import Planted


class Share(NamedTuple):
    """Of the failures of one type, or of all."""

    planted: int
    found: int
    right: int  #: found where it was planted, as what it is

    @property
    def recall(self) -> float:
        """The part of what was planted that was found; 1 where nothing was."""
        return self.right / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """The part of what was found that had been planted; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    def as_dict(self) -> dict[str, float]:
        """All of it."""
        return {**self._asdict(), "recall": round(self.recall, 4), "precision": round(self.precision, 4)}


class Accuracy(NamedTuple):
    """An event is right where a failure of its type was planted at its offset, once."""

    all: Share
    types: dict[str, Share]
    missed: tuple[Planted, ...]
    wrong: tuple[Event, ...]


def accuracy(planted: Iterable[Planted], events: Iterable[Event]) -> Accuracy:
    """Compare a manifest with what was found."""
    left = {(each.type, each.offset): each for each in planted}
    planted_types = Counter(type_ for type_, _ in left)
    found, right, wrong = Counter[str](), Counter[str](), []
    for event in events:
        found[event.type] += 1
        if left.pop((event.type, event.offset), None):
            right[event.type] += 1
        else:
            wrong.append(event)
    types = {
        type_: Share(planted_types[type_], found[type_], right[type_]) for type_ in sorted({*planted_types, *found})
    }
    return Accuracy(
        Share(planted_types.total(), found.total(), right.total()), types, tuple(left.values()), tuple(wrong)
    )
