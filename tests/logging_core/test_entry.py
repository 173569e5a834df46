"""What an entry becomes: a record like every other one."""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from logging_core.realtime.entry import Intake, read
from logging_core.realtime.validation import Validator
from logging_core.record import Encoder

LineOf = Callable[[dict[str, Any]], dict[str, Any]]


def here() -> None:
    """A place in the application."""


CODE = here.__code__


@pytest.fixture(params=["pipeline", "files"])
def line_of(request: pytest.FixtureRequest) -> LineOf:
    """What is written of an entry: both ways that it can go write the same."""

    def line_of(given: dict[str, Any]) -> dict[str, Any]:
        entry, encoder = read(given, "realtime", CODE, 0), Encoder("shop")
        through = request.param == "pipeline"
        line = encoder.encode(entry.record(logging.getLogger("realtime"))) if through else entry.encoded(encoder)
        written: dict[str, Any] = orjson.loads(line)
        return written

    return line_of


@pytest.mark.parametrize(
    ("timestamp", "written"),
    [
        ("2023-11-01T12:34:56", "2023-11-01T12:34:56.000000+00:00"),
        ("2023-11-01T12:34:56.789Z", "2023-11-01T12:34:56.789000+00:00"),
        ("2023-11-01T12:34:56+02:00", "2023-11-01T10:34:56.000000+00:00"),
        ("2023-11-01", "2023-11-01T00:00:00.000000+00:00"),
        (datetime(2023, 11, 1, 12), "2023-11-01T12:00:00.000000+00:00"),  # noqa: DTZ001  # a caller's naive one
        (datetime(2023, 11, 1, 12, tzinfo=timezone(timedelta(hours=8))), "2023-11-01T04:00:00.000000+00:00"),
        (date(2023, 11, 1), "2023-11-01T00:00:00.000000+00:00"),
        (1698842096, "2023-11-01T12:34:56.000000+00:00"),
        (1698842096.25, "2023-11-01T12:34:56.250000+00:00"),
    ],
)
def test_a_timestamp_is_written_with_an_offset_and_a_naive_one_means_utc(
    line_of: LineOf, timestamp: Any, written: str
) -> None:
    line = line_of({"message": "m", "timestamp": timestamp})
    assert line["timestamp"] == written
    assert "extra" not in line


@pytest.mark.parametrize("timestamp", ["yesterday", "2023-13-01", "", True, [], 1e300, float("nan")])
def test_what_is_no_timestamp_is_kept_beside_the_time_of_arrival(line_of: LineOf, timestamp: Any) -> None:
    line = line_of({"message": "m", "timestamp": timestamp})
    arrived = datetime.fromisoformat(line["timestamp"])
    assert abs(datetime.now(UTC) - arrived) < timedelta(minutes=1)
    assert "timestamp" in line["extra"]


@pytest.mark.parametrize(
    ("entry", "level"),
    [
        ({}, "INFO"),
        ({"result": "success"}, "INFO"),
        ({"result": "error"}, "ERROR"),
        ({"error": "boom"}, "ERROR"),
        ({"error": None}, "INFO"),
        ({"level": "warning", "error": "boom"}, "WARNING"),
        ({"level": "WARN"}, "WARNING"),
        ({"level": "FATAL"}, "CRITICAL"),
        ({"level": 10}, "DEBUG"),
    ],
)
def test_the_level_is_the_entrys_or_what_its_result_says(line_of: LineOf, entry: dict[str, Any], level: str) -> None:
    assert line_of({"message": "m", **entry})["level"] == level


def test_a_level_of_no_name_is_kept(line_of: LineOf) -> None:
    line = line_of({"message": "m", "level": "loud"})
    assert line["level"] == "INFO"
    assert line["extra"] == {"level": "loud"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [({"message": "m", "operation": "cut"}, "m"), ({"operation": "cut"}, "cut"), ({"left": 3}, "realtime")],
)
def test_without_a_message_the_operation_is_the_message(line_of: LineOf, entry: dict[str, Any], message: str) -> None:
    assert line_of(entry)["message"] == message


def test_an_error_has_the_form_of_all_errors(line_of: LineOf) -> None:
    assert line_of({"message": "m", "error": "boom"})["error"] == {"message": "boom"}
    error = line_of({"message": "m", "error": {"code": "E7", "message": "boom", "disk": 3}})["error"]
    assert error == {"type": "E7", "message": "boom", "disk": 3}


def test_an_exception_brings_its_stack(line_of: LineOf) -> None:
    try:
        {}["sku"]
    except KeyError as error:
        written = line_of({"operation": "cut", "error": error})["error"]
    assert (written["type"], written["message"]) == ("KeyError", "'sku'")
    assert "test_an_exception_brings_its_stack" in written["stack"]


def test_fields_of_reserved_names_are_kept_and_hurt_nothing(line_of: LineOf) -> None:
    given = {"name": "n", "args": (1,), "msg": "x", "process": "p", "created": 0, "asctime": "a", "logger": "l"}
    line = line_of({"message": "100 % of {it}", **given, "extra": {"own": 1}})
    assert line["message"] == "100 % of {it}"
    assert (line["logger"], line["module"], line["function"], line["line"]) == (
        "realtime",
        "test_entry",
        "here",
        CODE.co_firstlineno,
    )
    text = orjson.dumps(line["extra"]).decode()
    for name in (*given, "own"):
        assert f'"{name}":' in text


def test_the_callers_dict_is_left_as_it_was() -> None:
    entry = {"message": "m", "timestamp": "2023-11-01", "level": "INFO", "name": "n", "extra": {"a": 1}}
    before = dict(entry)
    read(entry, "realtime", CODE, 0)
    assert entry == before
    assert entry["extra"] == {"a": 1}


class Hostile(dict[str, Any]):
    def __iter__(self) -> Any:
        raise RuntimeError

    def keys(self) -> Any:
        raise RuntimeError

    def get(self, *_: Any) -> Any:
        raise RuntimeError

    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError


@pytest.mark.parametrize("entry", [None, 5, "text", [1], Hostile(), Hostile(message="m"), object()])
@pytest.mark.parametrize("validator", [None, Validator()])
def test_nothing_that_an_entry_is_raises(
    entry: Any, validator: Validator | None, capfd: pytest.CaptureFixture[str]
) -> None:
    intake = Intake("realtime", validator)
    assert [intake.read(entry, CODE, 0) for _ in range(3)] == [None] * 3
    assert sum(intake.counts.values()) == 3
    assert capfd.readouterr().err.count("\n") == 1


def test_none_is_as_good_as_nothing(line_of: LineOf) -> None:
    line = line_of({"operation": "cut", **dict.fromkeys(("timestamp", "level", "message", "error", "result"))})
    assert (line["level"], line["message"], line["result"]) == ("INFO", "cut", None)
    assert not {"error", "extra"} & set(line)
