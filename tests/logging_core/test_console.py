"""What people see on stderr: readable, harmless to the terminal, and never in the application's way."""

import io
import logging
import os
import pty
import sys
import time
from pathlib import Path

import orjson
import pytest

from logging_core.background import BackgroundHandler, Line
from logging_core.console import ConsoleSink, Tee, readable
from logging_core.record import Encoder
from tests.logging_core.test_background import ListSink

STAMP = "2026-02-19T10:30:00.123456+00:00"


def body(**fields: object) -> bytes:
    record = {"timestamp": STAMP, "level": "INFO", "logger": "shop.api", "message": "order placed", "module": "orders"}
    return orjson.dumps({**record, "line": 1, "process": 2, **fields}) + b"\n"


def line(level: int = logging.INFO, **fields: object) -> Line:
    return Line(level, body(**fields))


def test_a_record_is_one_line_of_text() -> None:
    assert readable(body(user_id="u 1", endpoint="/api", n=2, tags=["a"])) == (
        '2026-02-19T10:30:00.123Z INFO     shop.api: order placed user_id="u 1" endpoint=/api n=2 tags=["a"]\n'
    )


def test_a_name_that_could_be_taken_for_a_value_is_quoted() -> None:
    assert readable(body(**{"a b": 1, "c=2 d": 3})).endswith(' "a b"=1 "c=2 d"=3\n')


def test_a_stack_follows_indented() -> None:
    error = {"type": "ValueError", "message": "bad", "stack": "Traceback:\n  here\nValueError: bad\n"}
    assert readable(body(error=error)).splitlines()[1:] == ["    Traceback:", "      here", "    ValueError: bad"]
    assert 'error="ValueError: bad"' in readable(body(error={"type": "ValueError", "message": "bad"}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nERROR forged", r"a\nERROR forged"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("abc\u202edef", r"abc\u202edef"),
        ("a\r\tb", r"a\r\tb"),
        ("\u061ca\ufeff\U000e0041", r"\u061ca\ufeff\U000e0041"),
        ("grün 漢字", "grün 漢字"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_and_not_sent(text: str, shown: str) -> None:
    forged = {"type": "E", "message": "m", "stack": text}
    found = readable(body(message=text, logger=text, level=text, **{text: 1}, value=text, error=forged))
    assert shown in found
    assert not any(character in found.replace("\n", "") for character in "\x1b\x9b\r\t\x07\u202e\u061c\ufeff\U000e0041")
    assert all(each.startswith(("2026", "    ")) for each in found.splitlines())


def test_only_from_its_level_on() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(logging.WARNING, stream)
    sink.write([line(), line(logging.ERROR, message="it is")])
    assert stream.getvalue().count("\n") == 1
    assert "it is" in stream.getvalue()


def through_a_terminal() -> str:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        ConsoleSink(stream=stream).write([line()])
        shown = os.read(master, 10_000).decode()
    os.close(master)
    return shown


def test_colours_are_for_terminals_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mINFO" in through_a_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in through_a_terminal()


def test_the_stderr_of_the_moment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sink = ConsoleSink()
    with (tmp_path / "err").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        sink.write([line(message="grün")])
    assert "grün" in (tmp_path / "err").read_text()


def test_a_broken_closed_or_missing_stderr_hurts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = ConsoleSink()
    monkeypatch.setattr(sys, "stderr", None)
    sink.write([line()])
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    sink.write([line(), line()])
    stream.close()
    sink.write([line()])
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    sink.write([line()])
    assert sink.lost == 5
    assert BackgroundHandler(Tee([sink, ListSink()]), Encoder("shop")).stats()["missed"] == {"console": 5}


def test_a_reader_that_stands_still_holds_nobody_up() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        sink = ConsoleSink(stream=stream)
        began = time.monotonic()
        for _ in range(50):
            sink.write([line(message="x" * 10_000)] * 10)
        assert time.monotonic() - began < 5
        assert sink.lost > 400
        while sink.lost:
            os.read(reader, 100_000)
            sink.lost = 0
            sink.write([line()])
    os.close(reader)


def test_a_tee_repeats_only_where_lines_are_missing() -> None:
    good, bad = ListSink(), ListSink()
    tee = Tee([good, bad])
    lines = [line()]
    bad.error = OSError("full")
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            tee.write(lines)
    bad.error = None
    tee.write(lines)
    tee.write([line(message="next")])
    assert len(good.lines) == len(bad.lines) == 2
    tee.close()
    assert good.is_closed
    assert bad.is_closed
