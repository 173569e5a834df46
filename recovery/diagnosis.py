"""From the errors that were found to the actions that are advised, for whoever decides or takes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec

from recovery.actions import NAMES
from recovery.errors import UnknownActionError
from rules.event import Event
from rules.tally import Tally

_SEVERITIES = ("critical", "error", "warning")


class Found(msgspec.Struct, frozen=True):
    """The errors of one type."""

    type: str
    count: int
    first: Event


class AdvisedAction(str):
    """The name of an action, and the errors that call for it."""

    __slots__ = ("causes",)
    causes: tuple[Found, ...]

    def __new__(cls, name: str, causes: Iterable[Found]) -> Self:
        """An action for these causes."""
        action = super().__new__(cls, name)
        action.causes = tuple(causes)
        return action

    def __getnewargs__(self) -> tuple[str, tuple[Found, ...]]:  # type: ignore[override]  # a text's own has one part
        """What it is copied and pickled by."""
        return str(self), self.causes


class Advice(list[AdvisedAction]):
    """Actions in the order in which they are to be taken, each once; and what none of them heals."""

    def __init__(self, actions: Iterable[AdvisedAction], unhealed: Iterable[Found]) -> None:
        super().__init__(actions)
        self.unhealed = tuple(unhealed)  #: what people have to be told


def diagnose(found: Iterable[Found], actions: Mapping[str, Sequence[str]]) -> Advice:
    """What is to be done about errors; those of the worst severity first, then the most frequent.

    Args:
        found: one of each type.
        actions: error type -> names of the actions that heal it, in their order; none: people are told.

    Raises:
        UnknownActionError: for a name of no action.
    """
    causes: dict[str, list[Found]] = {}
    unhealed = []
    for each in sorted(found, key=urgency):
        named = actions.get(each.type, ())
        _check(each.type, named)
        for name in named:
            causes.setdefault(name, []).append(each)
        if not named:
            unhealed.append(each)
    return Advice((AdvisedAction(name, of) for name, of in causes.items()), unhealed)


def found_types(tally: Tally) -> list[Found]:
    """The types of what was found, each with its first event."""
    firsts: dict[str, Event] = {}
    for group in tally.groups.values():
        firsts.setdefault(group.first.type, group.first)
    return [Found(type_, tally.summary[type_], first) for type_, first in firsts.items()]


def urgency(found: Found) -> tuple[int, int, str]:
    """What comes first where errors are in order: the worst severity, then the most frequent."""
    return _SEVERITIES.index(found.first.severity), -found.count, found.type


def _check(type_: str, actions: Sequence[str]) -> None:
    if not isinstance(actions, list | tuple) or any(name not in NAMES for name in actions):
        raise UnknownActionError(f"{type_}: {actions!r} is no list of actions; there are {', '.join(NAMES)}")
