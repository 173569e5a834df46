"""Records as bugs and attackers make them, by hypothesis; and what must be true of the line that each becomes.

`record_parts` draws one; `for_each` so many, the same ones for the same seed. A record is known by its `funcName`,
which no cut takes away.
"""

import dataclasses
import enum
import json
import logging
import math
import sys
import types
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from logging_core.record import MAX_LINE


class Value(NamedTuple):
    """Something to log, and whether JSON cannot hold it as it is."""

    value: Any
    marked: bool | None  #: True: its line must say so; False: it arrives equal; None: either will do

    def __repr__(self) -> str:
        return f"Value({_shown(self.value)}, marked={self.marked})"


class Parts(NamedTuple):
    """What a record is made of."""

    attributes: dict[Any, Any]  #: for `logging.makeLogRecord`
    equal: dict[str, Any]  #: extra fields that arrive as they are
    marked: frozenset[str]  #: extra fields that arrive changed, and say so
    unmarked: bool  #: nothing in it needs to be changed

    @property
    def expected(self) -> str:
        """What `mistakes` needs to know of it, as a line of JSON."""
        return json.dumps([self.equal, sorted(self.marked), self.unmarked])

    @classmethod
    def expecting(cls, line: str) -> "Parts":
        """The same, read again; without its attributes."""
        equal, marked, unmarked = json.loads(line)
        return cls({}, equal, frozenset(marked), unmarked)

    def __repr__(self) -> str:
        shown = ", ".join(f"{_shown(key)}: {_shown(value)}" for key, value in self.attributes.items())
        return f"Parts({{{shown}}}, marked={set(self.marked)}, unmarked={self.unmarked})"

    def record(self, name: str) -> logging.LogRecord:
        """The record, known by this name."""
        return logging.makeLogRecord(self.attributes | {"funcName": name})


def _shown(value: Any) -> str:
    """For hypothesis' report, which no object may spoil."""
    try:
        return repr(value)[:200]
    except Exception as error:  # noqa: BLE001  # of any kind
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _one_of(*makers: Callable[[], Any]) -> st.SearchStrategy[Any]:
    """Made anew for each record, and never looked at by hypothesis before."""
    return st.integers(0, len(makers) - 1).map(lambda index: makers[index]())


def _given(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of these, which hypothesis never looks at before."""
    return st.integers(0, len(values) - 1).map(lambda index: values[index])


# -- objects that fight back ---------------------------------------------------------------------------------------

ERRORS = (RuntimeError, RecursionError, MemoryError, AttributeError, TypeError, KeyError, UnicodeError, StopIteration)


def _raises(error: type[Exception]) -> Any:
    def method(*_args: Any, **_kwargs: Any) -> Any:
        raise error("no")

    return method


def _refusing(error: type[Exception], *names: str, base: type = object, given: Any = None) -> Any:
    """An object some of whose methods raise."""
    kind = type("Refusing", (base,), dict.fromkeys(names, _raises(error)))
    return kind() if given is None else kind(given)


class Proxy:
    """As `flask.request` outside a request: whoever asks what it is gets an error."""

    def __init__(self, error: type[Exception]) -> None:
        object.__setattr__(self, "_error", error)

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "_error")(name)

    def __str__(self) -> str:
        raise object.__getattribute__(self, "_error")("unbound")

    __repr__ = __str__


class Liar:
    """It says that it is something else."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @property  # type: ignore[misc]  # what lazy proxies do
    def __class__(self) -> type:
        return self._kind


class Scalar(float):
    """As numpy's: a float whose conversions do what they want."""

    def __float__(self) -> float:
        raise ValueError("ambiguous")

    def __eq__(self, other: object) -> Any:
        raise ValueError("ambiguous")

    __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __eq__
    __hash__ = float.__hash__

    def __str__(self) -> str:
        return "1.5 (scalar)"

    __repr__ = __str__


class Array:
    """As numpy's: no truth, no length of its own, and an elementwise equality."""

    dtype, shape = "float64", (2, 2)

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def __eq__(self, other: object) -> Any:
        return self

    def __hash__(self) -> int:
        raise TypeError("unhashable")

    def __array__(self) -> Any:
        raise RuntimeError("on another device")

    def __float__(self) -> float:
        return math.nan

    def __iter__(self) -> Iterator[float]:
        return iter((math.nan, math.inf))

    def __len__(self) -> int:
        return 2**31


class Endless(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self

    def __len__(self) -> int:
        raise OverflowError


class Boundless(Mapping[Any, Any]):
    """A mapping that makes up its keys."""

    def __getitem__(self, key: Any) -> Any:
        return self

    def __iter__(self) -> Iterator[Any]:
        number = 0
        while True:
            number += 1
            yield number

    def __len__(self) -> int:
        raise OverflowError


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError("no bytes")

    def isascii(self) -> bool:
        raise RuntimeError("who knows")


class Colour(enum.Enum):
    RED = "red"
    NONE = math.nan
    RAW = b"\xff"


class Number(enum.IntEnum):
    SEVEN = 7


@dataclasses.dataclass
class Order:
    id: Any
    price: Any = None


class Nowhere(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise RuntimeError("nowhere")

    tzname = dst = utcoffset  # type: ignore[assignment]


def _cyclic() -> Iterator[Any]:
    list_: list[Any] = [1]
    list_.append(list_)
    yield list_
    dict_: dict[str, Any] = {"a": list_}
    dict_["self"] = {"deeper": dict_}
    yield dict_
    pair: list[Any] = []
    pair.append({"back": (pair,)})
    yield pair


def _nested(depth: int, bottom: Any, *, dicts: bool) -> Any:
    for _ in range(depth):
        bottom = {"d": bottom} if dicts else [bottom]
    return bottom


BIG = "x" * 2**20
BIG_WIDE = "\U0001f525" * 2**18
NAIVE = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))  # noqa: DTZ001  # as bugs make them
MANY = [0.5] * 200_000
MANY_KEYS = {f"k{number}": number for number in range(50_000)}
DEEP_KEYS = _nested(40, 1, dicts=True)
LONG_KEYS: Any = 1
for _letter in "abcdefghijklmnopqrst":
    LONG_KEYS = {_letter * 5000: LONG_KEYS, "nan": math.nan}

# -- what can be logged --------------------------------------------------------------------------------------------

_error = st.sampled_from(ERRORS)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_any_text = st.text(st.characters(exclude_categories=()), max_size=40)

#: JSON holds it as it is.
_plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _words
    | st.sampled_from(
        ["", "\0", "\n", "\r\n{}\n", '"', "\\", "\u2028", "\x1b[31m", "null", "NaN", "\ufeff", "%s %d %", "\U0010ffff"]
    )
)
#: JSON cannot hold it.
_lossy = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.integers(max_value=-(2**63) - 1),
    st.integers(min_value=2**64),
    st.binary(max_size=40),
    st.builds(bytearray, st.binary(max_size=8)),
    _given(["\ud800", "a\udfffb", "\udcff" * 50, BIG, BIG_WIDE, MANY, MANY_KEYS, b"\x00" * 2**20, 10**5000]),
    st.builds(lambda error: _refusing(error, "__str__", "__repr__"), _error),
    st.builds(Proxy, _error),
    _given(list(_cyclic())),
    st.builds(lambda depth, dicts: _nested(depth, 1, dicts=dicts), st.integers(25, 600), st.booleans()),
    st.builds(lambda depth, dicts: _nested(depth, math.nan, dicts=dicts), st.integers(1, 600), st.booleans()),
    st.builds(Order, st.just(1), st.sampled_from([math.nan, b"\xff"])),
    _given([Colour.NONE, Colour.RAW, LONG_KEYS, DEEP_KEYS]),
    st.builds(lambda: [math.nan] * 60),
)
#: Its text, or something like it, is what can be had; whether that is a loss is a matter of taste.
_odd = st.one_of(
    st.builds(
        lambda error, names, base: _refusing(error, *names, base=base),
        _error,
        st.lists(
            st.sampled_from(
                [
                    "__len__",
                    "__iter__",
                    "__eq__",
                    "__hash__",
                    "__bool__",
                    "__repr__",
                    "__str__",
                    "__getitem__",
                    "keys",
                    "items",
                    "values",
                    "__index__",
                ]
            ),
            unique=True,
        ),
        _given([object, dict, list, set, OrderedDict, UserDict, deque]),
    ),
    st.builds(
        lambda error, name, pair: _refusing(error, name, base=pair[0], given=pair[1]),
        _error,
        st.sampled_from(
            [
                "__int__",
                "__float__",
                "__index__",
                "__str__",
                "__repr__",
                "__eq__",
                "__ge__",
                "__le__",
                "__hash__",
                "__getitem__",
            ]
        ),
        _given([(int, 7), (int, 2**80), (float, math.nan), (bytes, b"\xff"), (str, "\ud800"), (tuple, (1, 2))]),
    ),
    st.builds(Liar, _given([int, str, float, dict, list, bytes, bool, type(None), BaseException, datetime])),
    st.builds(Scalar, st.floats()),
    st.builds(Array),
    st.builds(Endless),
    st.builds(Boundless),
    st.builds(Text, _any_text),
    st.sets(st.integers() | _any_text, max_size=4),
    st.frozensets(st.binary(max_size=3), max_size=3),
    _given([Colour.RED, Number.SEVEN, object, Order, len, sys, ..., NotImplemented, Decimal("NaN"), 1j]),
    st.builds(Order, st.integers(), st.none() | st.floats()),
    _given([NAIVE[0], NAIVE[1], date.min, time.max, timedelta.max, datetime.now(UTC)]),
    st.builds(lambda tz: datetime(1, 1, 1, tzinfo=tz), _given([UTC, timezone(timedelta(hours=23)), Nowhere()])),
    st.decimals() | st.fractions() | st.uuids() | st.complex_numbers(),
    _given([PurePosixPath("/etc/../x"), Fraction(1, 3), UUID(int=0), range(10**9), memoryview(b"abc")[::2]]),
    st.builds(lambda: (each for each in (1, 2))),
    st.builds(lambda error: error("\ud800"), _error),
    st.builds(types.SimpleNamespace, a=st.integers()),
)


def _list_of(items: list[Value]) -> Value:
    return Value([each.value for each in items], _together(items))


def _dict_of(items: dict[str, Value]) -> Value:
    return Value({key: each.value for key, each in items.items()}, _together(list(items.values())))


def _dict_of_odd_keys(keys: list[Any], item: Value) -> Value:
    try:
        return Value(dict.fromkeys(keys, item.value), True if keys and item.marked else None)
    except Exception:  # noqa: BLE001  # a key that cannot be one
        return Value(keys, None)


def _together(items: list[Value]) -> bool | None:
    if any(each.marked for each in items):
        return True
    return None if any(each.marked is None for each in items) else False


_scalars = st.one_of(
    _plain.map(lambda value: Value(value, marked=False)),
    _lossy.map(lambda value: Value(value, marked=True)),
    _odd.map(lambda value: Value(value, marked=None)),
)
_odd_keys = st.integers() | st.none() | st.floats() | _any_text | st.binary(max_size=4) | _given([BIG]) | _odd
values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(_list_of)
        | st.dictionaries(_words, inner, max_size=4).map(_dict_of)
        | st.builds(_dict_of_odd_keys, st.lists(_odd_keys, max_size=3), inner)
    ),
    max_leaves=6,
)

_formats = st.sampled_from(
    ["%s", "%d", "%s %s", "%(a)s", "%", "%%", "%z", "%.999999d", "%*d", "{} {}", "%c", "%r", "100%", "%(", "%s\n%s\0"]
)
_messages = _formats | _any_text | values.map(lambda each: each.value)
_arguments = st.one_of(
    st.just(()),
    st.none(),
    st.lists(values.map(lambda each: each.value), max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b"]), values.map(lambda each: each.value)),
    values.map(lambda each: each.value),
)


# -- exceptions ----------------------------------------------------------------------------------------------------


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class OddlyNamedError(Exception):
    __module__ = None  # type: ignore[assignment]
    __qualname__ = "Odd\nly"


def _chained() -> BaseException:
    first, second = ValueError("first"), MuteError()
    first.__cause__, second.__context__ = second, first
    return first


def _noted(note: Any) -> BaseException:
    error = ValueError("noted")
    error.__notes__ = note
    return error


def _deep_chain() -> BaseException:
    error = ValueError("0")
    for number in range(300):
        after = KeyError(str(number))
        after.__cause__ = error
        error = after  # type: ignore[assignment]
    return error


def _caught() -> Any:
    try:
        [1][sys.maxsize]
    except IndexError:
        return sys.exc_info()


_exceptions = _given(
    [
        ValueError("\ud800\0\n"),
        ValueError(BIG),
        MuteError(),
        OddlyNamedError("x"),
        ExceptionGroup("all", [ValueError(1), ExceptionGroup("of it", [MuteError(), OSError(28, "full")])]),
        BaseExceptionGroup("stop", [KeyboardInterrupt(), SystemExit(1)]),
        SyntaxError("bad", ("\ud800", -1, 10**10, None)),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        KeyboardInterrupt(),
        StopIteration(Proxy(RuntimeError)),
        _chained(),
        _deep_chain(),
        _noted(["\ud800"]),
        _noted(7),
        _noted([Proxy(RuntimeError)]),
    ]
)
_exception_infos = st.one_of(
    st.none(),
    _exceptions.map(lambda error: (type(error), error, error.__traceback__)),
    st.builds(_caught),
    _exceptions,
    _given([(None, None, None), True, (), (ValueError,), (ValueError, None, None), (1, 2, 3), "text"]),
    st.builds(lambda value: (ValueError, value.value, value.value), values),
    st.builds(lambda value: (value.value, ValueError("x"), None), values),
    values.map(lambda each: each.value),
)

# -- records -------------------------------------------------------------------------------------------------------

#: Names that mean something already, or are none.
_taken = _given(
    ["level", "timestamp", "logger", "message", "asctime", "taskName", "function", "line", "service", "extra", "error"]
) | _given(["altered", "", "\ud800", "\0", "\n", "a.b", "*", BIG, 1, None, b"k", ("t",), Text("own"), 1.5])
_levels = _given([0, 10, 20, 30, 35, 40, 50, -1, 10**30, True, Number.SEVEN, 20.5, math.nan])
_names = _given(["shop", "", "a\nb", "../../etc/passwd", "/etc/shadow", "\0", "\ud800", "x" * 100_000, "a" * 300])
_standard: dict[str, st.SearchStrategy[Any]] = {
    "name": _names | _any_text,
    "levelname": _any_text | st.sampled_from(["\x1b[31mERROR", "ERROR\n", "other"]),
    "pathname": _any_text,
    "module": _any_text | values.map(lambda each: each.value),
    "lineno": _given([-1, 0, 2**70, None, "12", math.nan]),
    "created": _given([0.0, -1.0, 1e18, math.nan, math.inf, "now", None, 0, True, 253402300799.99])
    | values.map(lambda each: each.value),
    "threadName": _any_text | values.map(lambda each: each.value),
    "thread": st.sampled_from([None, 0, -1, "x"]),
    "process": st.sampled_from([None, -1, "x", math.nan]) | values.map(lambda each: each.value),
    "exc_text": st.none() | _any_text | values.map(lambda each: each.value),
    "stack_info": st.none() | _any_text | values.map(lambda each: each.value),
}
_FIELDS = ("alpha", "beta", "gamma")


@st.composite
def record_parts(draw: st.DrawFn) -> Parts:
    """One record."""
    attributes: dict[Any, Any] = {"name": "shop.api", "levelno": draw(_levels), "levelname": "ODD"}
    attributes |= {"msg": "hello", "args": (), "created": 1_790_000_000.25}
    unmarked = True
    fields = draw(st.dictionaries(st.sampled_from(_FIELDS), values, max_size=3))
    attributes |= {name: each.value for name, each in fields.items()}
    if draw(st.booleans()):  # the half of them is odd in what they carry alone
        unmarked = False
        attributes |= {"msg": draw(_messages), "args": draw(_arguments), "exc_info": draw(_exception_infos)}
        for name in draw(st.lists(st.sampled_from(sorted(_standard)), unique=True, max_size=3)):
            attributes[name] = draw(_standard[name])
        attributes |= draw(st.dictionaries(_taken, values.map(lambda each: each.value), max_size=3))
    return Parts(
        attributes,
        {name: each.value for name, each in fields.items() if each.marked is False},
        frozenset(name for name, each in fields.items() if each.marked),
        unmarked and all(each.marked is False for each in fields.values()),
    )


def for_each(seed: int, number: int, do: Callable[[Parts], None]) -> None:
    """Draw so many records, the same ones for the same seed, and do something with each."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(record_parts())
    def draw(each: Parts) -> None:
        do(each)

    draw()


# -- what must be true of its line ---------------------------------------------------------------------------------


def mistakes(given: Parts, line: bytes, service: str) -> list[str]:
    """What is wrong with the line that a record became; empty: nothing."""
    try:
        found = json.loads(line.decode(), parse_constant=_no_number, object_pairs_hook=_no_repetition)
        datetime.fromisoformat(found["timestamp"])
    except (ValueError, KeyError, TypeError) as error:
        return [f"{type(error).__name__}: {error}"]
    altered = found.get("altered", {})
    fields = {path.partition(".")[0] for path in altered}
    all_told = len(altered) < 50 and "*" not in altered
    wrong = {
        "the line is too long": len(line) > MAX_LINE,
        "it is of another service": found["service"] != service,
        "it is marked without need": given.unmarked and bool(altered),
        "it is changed, and not marked": bool(given.marked) and not altered,
        f"not marked: {given.marked - fields}": all_told and not given.marked <= fields,
    }
    wrong |= {
        f"{name} is {found.get(name)!r}, not {value!r}": not _same(found.get(name), value)
        for name, value in given.equal.items()
        if name not in fields and "*" not in altered
    }
    return [text for text, holds in wrong.items() if holds]


def _same(arrived: Any, logged: Any) -> bool:
    return type(arrived) is type(logged) and bool(json.dumps(arrived) == json.dumps(logged))


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name is repeated")
    return dict(pairs)
