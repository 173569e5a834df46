"""Every record becomes one line of JSON, whatever it holds, and says where it had to be changed."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logging_core.record import MAX_LINE, Encoder


def encoded(message: object = "hello", *args: object, exc_info: Any = None, **extra: Any) -> dict[str, Any]:
    record = logging.LogRecord("shop.api", logging.INFO, "/app/orders.py", 42, message, args, exc_info, "create")
    record.__dict__.update(extra)
    line = Encoder("shop").encode(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= MAX_LINE
    decoded: dict[str, Any] = json.loads(line)
    return decoded


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text of mine")

    __repr__ = __str__


class Colour(Enum):
    RED = "red"


@dataclass
class Order:
    id: int
    note: str | None


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    return value


def test_a_plain_record_has_the_documented_fields_and_is_not_marked() -> None:
    line = encoded("order %d placed", 7, user_id="user_001", amount=1.5, note=None)
    assert {key: line[key] for key in ("level", "logger", "message", "module", "function", "line", "service")} == {
        "level": "INFO", "logger": "shop.api", "message": "order 7 placed", "module": "orders", "function": "create",
        "line": 42, "service": "shop",
    }  # fmt: skip
    assert (line["user_id"], line["amount"], line["note"]) == ("user_001", 1.5, None)
    assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert len(line["timestamp"]) == len("2026-02-19T10:30:00.123456+00:00")
    assert "altered" not in line


def test_an_exception_brings_its_type_message_and_stack() -> None:
    try:
        raise KeyError("sku")
    except KeyError as error:
        line = encoded("failed", exc_info=(type(error), error, error.__traceback__))
    assert line["error"]["type"] == "KeyError"
    assert line["error"]["message"] == "'sku'"
    assert "Traceback" in line["error"]["stack"]


def test_an_error_field_is_always_an_object_and_never_overwrites_a_real_exception() -> None:
    assert encoded(error="boom")["error"] == {"message": "boom"}
    assert encoded(error={"code": 500, "message": None})["error"] == {"type": "500", "message": "None"}
    assert encoded(error={"code": "E42", "message": "boom"})["error"] == {"type": "E42", "message": "boom"}
    assert encoded(error=ValueError("boom"))["error"] == {"type": "ValueError", "message": "boom"}
    line = encoded("x", exc_info=(ValueError, ValueError("real"), None), error="a text")
    assert line["error"]["message"] == "real"
    assert line["extra"]["error"] == {"message": "a text"}


def test_an_extra_named_like_our_fields_is_kept_apart() -> None:
    line = encoded(level="mine", timestamp=1, service="other")
    assert (line["level"], line["service"]) == ("INFO", "shop")
    assert line["extra"] == {"level": "mine", "timestamp": 1, "service": "other"}


@pytest.mark.parametrize(
    ("value", "arrives_as", "mark"),
    [
        (float("nan"), "nan", "nan"),
        ({"deep": [float("inf")]}, {"deep": ["inf"]}, "infinity"),
        (b"\xff\x00raw", "\\xff\x00raw", "bytes"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate", "surrogates"),
        (2**70, hex(2**70), "integer"),
        (Hostile(), "<Hostile>", "RuntimeError"),
        (cycle(), {"a": 1, "self": "<cycle>"}, "cycle"),
    ],
)
def test_what_json_cannot_hold_arrives_marked(value: Any, arrives_as: Any, mark: str) -> None:
    line = encoded(payload=value)
    assert line["payload"] == arrives_as
    assert mark in line["altered"].values()
    assert all(path.startswith("payload") for path in line["altered"])


@pytest.mark.parametrize("value", [Decimal("1.50"), Path("/tmp/x"), {1: "a"}])
def test_what_only_needs_its_text_is_not_marked(value: Any) -> None:
    assert "altered" not in encoded(payload=value)


def test_ten_megabytes_arrive_cut_and_marked() -> None:
    line = encoded("x" * 10_000_000, payload=["y" * 1000] * 10_000)
    assert line["altered"]["message"].startswith("cut from 10000000")
    assert "payload" in line["altered"]


def test_a_message_that_does_not_fit_its_arguments_still_arrives() -> None:
    line = encoded("%d of %d", "one")
    assert line["message"].startswith("%d of %d")
    assert line["altered"]["message"] == "TypeError"


def test_a_hostile_message_and_a_hostile_exception_still_arrive() -> None:
    class RefusingError(Exception):
        __str__ = Hostile.__str__

    line = encoded(Hostile(), exc_info=(RefusingError, RefusingError(), None))
    assert line["message"] == "<Hostile>"
    assert line["error"]["message"] == "<RefusingError>"


def test_a_great_many_small_values_arrive_as_a_short_line() -> None:
    line = encoded(payload=[[[0.5] * 64 for _ in range(64)] for _ in range(64)])
    assert line["altered"]


def test_a_level_that_was_given_another_name_is_known_by_its_own() -> None:
    assert encoded(levelname="\033[31mERROR\033[0m", levelno=40)["level"] == "ERROR"
    assert encoded(levelname="NOTICE", levelno=25)["level"] == "NOTICE"


def test_a_record_without_a_time_gets_one() -> None:
    line = encoded(created="yesterday")
    assert line["altered"]["timestamp"] == "TypeError"
    assert datetime.fromisoformat(line["timestamp"])


def test_a_record_that_differs_from_the_last_one_of_its_call_site_has_its_own_values() -> None:
    encoder = Encoder("shop")
    record = logging.LogRecord("shop.api", logging.INFO, "/app/orders.py", 42, "hello", (), None, "create")
    constant = json.loads(encoder.encode(record))
    for attribute, key, value in (
        ("name", "logger", "shop.tasks"), ("levelno", "level", logging.ERROR), ("module", "module", "payments"),
        ("funcName", "function", "delete"), ("lineno", "line", 43), ("threadName", "thread", "worker"),
        ("process", "process", -1),
    ):  # fmt: skip
        altered = logging.makeLogRecord(record.__dict__ | {attribute: value})
        arrived = "ERROR" if key == "level" else value
        assert json.loads(encoder.encode(altered)) == constant | {key: arrived}
    assert json.loads(encoder.encode(record)) == constant


def test_any_number_of_call_sites_is_logged_from() -> None:
    encoder = Encoder("shop")
    for number in range(3000):
        record = logging.LogRecord("shop", logging.INFO, "/app/orders.py", number, "hello", (), None)
        assert json.loads(encoder.encode(record))["line"] == number


@pytest.mark.parametrize(
    ("attribute", "value", "mark"),
    [("threadName", "\ud800", "surrogates"), ("lineno", float("nan"), "nan"), ("name", Hostile(), "RuntimeError")],
)
def test_what_is_wrong_with_a_call_site_is_marked_each_time(attribute: str, value: Any, mark: str) -> None:
    for _ in range(2):
        assert mark in encoded(**{attribute: value})["altered"].values()


@given(st.lists(st.floats(-1e10, 1e11) | st.floats(0, 3), max_size=5))
def test_the_timestamp_is_the_records(moments: list[float]) -> None:
    encoder = Encoder("shop")
    for created in moments:
        record = logging.makeLogRecord({"created": created})
        timestamp = json.loads(encoder.encode(record))["timestamp"]
        assert len(timestamp) == len("2026-02-19T10:30:00.123456+00:00")
        assert abs(datetime.fromisoformat(timestamp) - datetime.fromtimestamp(created, UTC)) <= timedelta(
            microseconds=16
        )


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.builds(Hostile),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@given(message=anything, extra=st.dictionaries(st.text(min_size=1), anything, max_size=4))
def test_whatever_a_caller_logs_is_one_line_of_json(message: Any, extra: dict[str, Any]) -> None:
    refused = {"message", *logging.LogRecord("", 0, "", 0, "", None, None).__dict__}  # by `logging` itself
    encoded(message, **{key: value for key, value in extra.items() if key not in refused})


class Nowhere(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise RuntimeError("nowhere")


class Torn(Enum):
    RED = "red"

    @property
    def value(self) -> str:
        raise RuntimeError("no value")


@dataclass
class Refusing:
    price: float = 1.5

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def tuples(depth: int) -> Any:
    value: Any = ()
    for _ in range(depth):
        value = (value,)
    return value


def through_a_tuple() -> Any:
    value: list[Any] = []
    value.append({"back": (value,)})
    return value


@pytest.mark.parametrize(
    "make",
    [lambda: datetime(1, 1, 1, tzinfo=Nowhere()), lambda: Torn.RED, Refusing, lambda: tuples(100_000), through_a_tuple],
    ids=["time zone", "enum", "dataclass", "deep tuple", "cycle through a tuple"],
)
def test_what_orjson_would_die_of_arrives(make: Callable[[], Any]) -> None:
    value = make()
    for place in (value, [value], {"a": (value,)}):
        line = encoded(payload=place)
        assert any(path.startswith("payload") for path in line["altered"])


@pytest.mark.parametrize(
    ("value", "arrives_as"),
    [
        (Colour.RED, "red"),
        (Order(1, None), {"id": 1, "note": None}),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (datetime(2026, 2, 19, 10, tzinfo=ZoneInfo("Europe/Paris")), "2026-02-19T10:00:00+01:00"),
        (date(2026, 2, 19), "2026-02-19"),
    ],
)
def test_what_is_sound_is_written_the_same_by_both_ways(value: Any, arrives_as: Any) -> None:
    line = encoded(payload=value, other=[value], beside=float("nan"))
    assert (line["payload"], line["other"]) == (arrives_as, [arrives_as])
    assert line["altered"] == {"beside": "nan"}
    assert encoded(payload=value)["payload"] == arrives_as


def test_names_are_cleaned_too() -> None:
    line = encoded(**{"\ud800": 1, "x" * 300: 2, "": 3}, payload={"y" * 300: 4, 1: 5, "1": 6})
    assert (line["\\ud800"], line["x" * 200], line[""]) == (1, 2, 3)
    assert line["payload"] == {"y" * 200: 4, "1": 6}
    assert set(line["altered"]) == {"\\ud800", "x" * 200, "payload." + "y" * 200, "payload.1"}


@pytest.mark.parametrize("info", [True, "text", (1, 2, 3), (ValueError,), Hostile()])
def test_what_passes_for_an_exception_arrives_marked(info: Any) -> None:
    line = encoded(exc_info=info)
    assert "error" in line["altered"]
    assert line["error"]["message"]


def test_an_exception_by_itself_will_do() -> None:
    error = encoded(exc_info=KeyError("sku"))["error"]
    assert (error["type"], error["message"]) == ("KeyError", "'sku'")


def test_a_standard_attribute_that_a_filter_deleted_hides_no_extra() -> None:
    record = logging.makeLogRecord({"msg": "m", "first": 1, "second": 2})
    del record.__dict__["pathname"]
    line = json.loads(Encoder("shop").encode(record))
    assert (line["first"], line["second"]) == (1, 2)
