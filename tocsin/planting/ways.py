"""The ways in which a failure comes into a log."""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from random import Random
from typing import Literal, NamedTuple, TypeVar

from tocsin.planting import tracebacks
from tocsin.planting.failures import Failures, Printed, Thrown, failures
from tocsin.planting.layouts import JSON, LOGFMT, OURS, PYTHON, TEXT, Layout, Moment, Said, printed

#: "mixed": every layout of applications and servers beside every other; "docker", "cri", "compose": the same as that
#: container runtime puts it; "json": Tocsin's own lines; "dense": Python's usual lines, and each failure a traceback of
#: eight lines.
Kind = Literal["mixed", "docker", "cri", "compose", "json", "dense"]

_T = TypeVar("_T")

_ANNOUNCED = ("checkout of order § failed", "job § ended early", "request § was answered with 500")


class Way(NamedTuple):
    """One way in which failures of one type are told."""

    type: str
    how: str  #: "line", "traceback", "note", "chained", "group" or "server"; "json/..." for those in JSON
    write: Callable[[Moment, Random], str]


def ways(kind: Kind, rng: Random) -> Sequence[Way]:
    """All of a kind of log, shuffled, the types in turn."""
    told = {"json": _json, "dense": _dense}.get(kind, _mixed)
    decks = [_shuffled(list(told(each)), rng) for each in failures()]
    return [way for turn in zip_longest(*_shuffled(decks, rng)) for way in turn if way]


def _mixed(of: Failures) -> Iterator[Way]:
    yield from _json(of)
    for thrown in of.thrown:
        yield Way(of.type, "traceback", _raised(thrown, tracebacks.plain, TEXT))
        yield Way(of.type, "note", _raised(thrown, tracebacks.with_note, TEXT))
        yield Way(of.type, "chained", _raised(thrown, tracebacks.chained, TEXT))
        yield Way(of.type, "group", _raised(thrown, tracebacks.grouped, TEXT))
        yield Way(of.type, "json/traceback", _raised(thrown, tracebacks.chained, JSON))
    for message in of.said:
        yield Way(of.type, "line", _logged(message, (*TEXT, LOGFMT)))
        yield Way(of.type, "json/line", _logged(message, JSON))
    for each in of.printed:
        yield Way(of.type, "server", _printed(each))


def _json(of: Failures) -> Iterator[Way]:
    for thrown in of.thrown:
        yield Way(of.type, "json/traceback", _raised(thrown, tracebacks.plain, (OURS,)))
        yield Way(of.type, "json/chained", _raised(thrown, tracebacks.chained, (OURS,)))
    for message in of.said:
        yield Way(of.type, "json/line", _logged(message, (OURS,)))


def _dense(of: Failures) -> Iterator[Way]:
    for thrown in of.thrown:
        if not thrown.before:
            yield Way(of.type, "traceback", _raised(thrown, tracebacks.plain, (PYTHON,)))


def _raised(
    thrown: Thrown, traceback: Callable[[Thrown, Random], str], layouts: Sequence[Layout]
) -> Callable[[Moment, Random], str]:
    def write(moment: Moment, rng: Random) -> str:
        said = Said("ERROR", "shop.orders", rng.choice(_ANNOUNCED), traceback(thrown, rng))
        return rng.choice(layouts)(moment, said)

    return write


def _logged(message: str, layouts: Sequence[Layout]) -> Callable[[Moment, Random], str]:
    return lambda moment, rng: rng.choice(layouts)(moment, Said("ERROR", "shop.jobs", message))


def _printed(of: Printed) -> Callable[[Moment, Random], str]:
    return lambda moment, _rng: printed(moment, of.server, of.line)


def _shuffled(items: Sequence[_T], rng: Random) -> list[_T]:
    return rng.sample(items, len(items))
