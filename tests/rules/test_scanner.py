"""One failure is one event, known for what it is, with all that its record says; whatever the windows are."""

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.event import MESSAGE_LIMIT, Event
from rules.layouts import Layouts, Times
from rules.patterns import load_patterns
from rules.scanner import FileScan, Scanner

SCANNER = Scanner(load_patterns())

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/shop/orders.py", line 17, in place
    raise ConnectionError("timed out")
  File "/srv/shop/render.py", line 4, in render
    pixels = bytearray(size)
MemoryError: CUDA out of memory
"""
HEADER = "2026-02-19 10:30:00,123 ERROR shop.orders order 17 failed\n"


def events(text: str | bytes) -> list[Event]:
    return SCANNER.events(text.encode() if isinstance(text, str) else text, "app.log")


def types(text: str | bytes) -> list[str]:
    return [event.type for event in events(text)]


def test_a_record_and_its_traceback_are_one_event() -> None:
    (event,) = events(
        f"2026-02-19 10:29:59,000 INFO shop.web all well\n{HEADER}{TRACEBACK}2026-02-19 10:30:01,000 INFO a b\n"
    )
    assert event == Event(
        type="OutOfMemory",
        severity="critical",
        timestamp="2026-02-19T10:30:00.123000+00:00",
        level="ERROR",
        logger="shop.orders",
        message="order 17 failed",
        file="app.log",
        line=2,
        offset=47,
        group=event.group,
        exception="MemoryError: CUDA out of memory",
        stack=TRACEBACK,
    )
    assert event.frames == (("/srv/shop/orders.py", 17, "place"), ("/srv/shop/render.py", 4, "render"))


def test_a_traceback_without_a_record_is_an_event_at_its_own_place() -> None:
    (event,) = events(f"starting\n{TRACEBACK}")
    assert (event.line, event.offset, event.message, event.level) == (2, 9, "MemoryError: CUDA out of memory", "")


def test_a_program_that_dies_after_a_quiet_record_has_failed() -> None:
    (event,) = events(f"2026-02-19 10:30:00,123 INFO shop.web starting\n{TRACEBACK}")
    assert (event.line, event.level, event.message) == (2, "", "MemoryError: CUDA out of memory")
    assert event.timestamp == "2026-02-19T10:30:00.123000+00:00"


def test_what_a_line_of_code_says_has_not_happened() -> None:
    assert types(TRACEBACK.replace("MemoryError: CUDA out of memory", "ZeroDivisionError: division by zero")) == []


def test_a_traceback_of_no_known_type_is_counted_by_its_exception() -> None:
    text = TRACEBACK.replace("MemoryError: CUDA out of memory", "shop.OrderError: of 17").encode()
    found = FileScan(SCANNER, "", Layouts(Times())).window(text, len(text), 0, final=True)
    assert (found.events, dict(found.unknown)) == ([], {"shop.OrderError": 1})


def test_the_most_specific_cause_of_a_chain_wins() -> None:
    first = TRACEBACK.replace("MemoryError: CUDA out of memory", "OSError: [Errno 28] No space left on device")
    last = TRACEBACK.replace("MemoryError: CUDA out of memory", "ConnectionError: connection refused")
    chain = f"{first}\nDuring handling of the above exception, another exception occurred:\n\n{last}"
    (event,) = events(HEADER + chain)
    assert (event.type, event.exception) == ("DiskSpace", "ConnectionError: connection refused")
    assert event.stack == chain


def test_the_record_may_say_it_before_the_traceback_does() -> None:
    (event,) = events(
        "2026-02-19 10:30:00,123 ERROR shop.orders No space left on device\n"
        + TRACEBACK.replace("MemoryError: CUDA out of memory", "ConnectionError: x")
    )
    assert (event.type, event.offset) == ("DiskSpace", 0)


def test_two_tracebacks_that_are_not_chained_are_two_events() -> None:
    assert types(HEADER + TRACEBACK + TRACEBACK) == ["OutOfMemory"] * 2


def test_frames_of_java_belong_to_their_record() -> None:
    (event,) = events(
        "2026-02-19 10:30:00,123 ERROR [main] shop.Orders: order 17 failed\n"
        "java.lang.RuntimeException: wrapped\n"
        "\tat shop.Orders.place(Orders.java:17)\n"
        "Caused by: java.net.ConnectException: Connection refused\n"
        "\t... 3 more\n"
        "2026-02-19 10:30:01,123 INFO [main] shop.Orders: next\n"
    )
    assert (event.type, event.line, event.level) == ("ConnectionError", 1, "ERROR")
    assert event.exception == "Caused by: java.net.ConnectException: Connection refused"


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ('{"level":"ERROR","message":"MemoryError"}', 1),
        ('{"level":"WARNING","message":"MemoryError"}', 1),
        ('{"message":"MemoryError"}', 1),
        ('{"level":"INFO","message":"MemoryError"}', 0),
        ('{"level":"debug","message":"MemoryError"}', 0),
        ('{"level":"ERROR","message":"MemoryError","extra":{"level":"INFO"}}', 1),
        ("{not json, Connection refused", 1),
        ("2026-02-19 10:30:00,123 INFO shop.web Connection refused", 0),
        ("2026-02-19 10:30:00,123 DEBUG shop.web Connection refused", 0),
        ("2026-02-19 10:30:00,123 WARNING shop.web Connection refused", 1),
        ("INFO:shop.web:Connection refused", 0),
        ("INFO:     Connection refused", 0),
        ("ERROR:shop.web:MemoryError", 1),
        ("2026-02-19 10:30:00.123 UTC [77] LOG:  statement: insert into t values ('connection refused')", 0),
        ("2026-02-19 10:30:00.123 UTC [77] LOG:  duration: 9.1 ms  execute <unnamed>: select 'connection refused'", 0),
        ("2026-02-19 10:30:00.124 UTC [1] LOG:  could not fork worker process: Cannot allocate memory", 1),
        ("MemoryError", 1),
    ],
)
def test_what_says_itself_that_it_is_no_failure_is_none(line: str, count: int) -> None:
    assert len(events(line + "\n")) == count


def test_a_traceback_inside_a_json_string_is_read() -> None:
    dns = TRACEBACK.replace(
        "MemoryError: CUDA out of memory", "requests.exceptions.ConnectionError: Max retries exceeded"
    )
    record = {
        "timestamp": "2026-02-19T10:30:00.123456+00:00",
        "level": "ERROR",
        "logger": "shop",
        "message": "order 17",
    }
    record["error"] = {"type": "ConnectionError", "message": "Max retries exceeded", "stack": dns}
    (event,) = events(json.dumps(record) + "\n")
    assert (event.type, event.logger, event.message) == ("ConnectionError", "shop", "order 17")
    assert event.exception == "requests.exceptions.ConnectionError: Max retries exceeded"
    assert [frame.line for frame in event.frames] == [17, 4]


WRAPPINGS = {
    "docker": lambda line: json.dumps(
        {"log": line + "\n", "stream": "stderr", "time": "2026-02-19T10:30:00.5Z"}, separators=(",", ":")
    ),
    "cri": lambda line: f"2026-02-19T10:30:00.5Z stderr F {line}",
    "compose": lambda line: f"web-1  | {line}",
    "kubectl": lambda line: f"[pod/web-0/web] {line}",
    "syslog": lambda line: f"Feb 19 10:30:00 web-1 shop[4121]: {line}",
}


@pytest.mark.parametrize("wrap", WRAPPINGS)
def test_a_traceback_behind_prefixes_is_one_event(wrap: str) -> None:
    put = WRAPPINGS[wrap]
    lines = [*TRACEBACK.splitlines(), "next"]
    text = "\n".join(map(put, lines)) + "\n"
    (event,) = events(text)
    assert (event.type, event.exception, event.line) == ("OutOfMemory", "MemoryError: CUDA out of memory", 1)
    assert [frame.line for frame in event.frames] == [17, 4]
    if wrap in ("docker", "cri"):
        assert event.timestamp == "2026-02-19T10:30:00.500000+00:00"


@pytest.mark.parametrize("wrap", ["docker", "cri", "compose", "kubectl"])
def test_a_record_behind_prefixes_keeps_its_header(wrap: str) -> None:
    put = WRAPPINGS[wrap]
    quiet = "2026-02-19 10:30:00,123 INFO shop.orders MemoryError"
    text = "\n".join(map(put, [quiet, *(HEADER + TRACEBACK).splitlines(), quiet])) + "\n"
    (event,) = events(text)
    assert (event.type, event.logger, event.message, event.line) == ("OutOfMemory", "shop.orders", "order 17 failed", 2)
    assert event.offset == len(put(quiet)) + 1


def test_streams_that_are_mixed_line_by_line_are_told_apart() -> None:
    one = [f"web-1  | {line}" for line in TRACEBACK.splitlines()]
    other = [
        f"db-1   | {line}"
        for line in TRACEBACK.replace("MemoryError: CUDA out of memory", "OSError: [Errno 28] x").splitlines()
    ]
    text = "".join(f"{a}\n{b}\n" for a, b in zip(one, other, strict=True))
    assert [(event.type, event.line) for event in events(text)] == [("OutOfMemory", 1), ("DiskSpace", 2)]


def test_colours_hide_nothing() -> None:
    (event,) = events("\x1b[32mall well\x1b[0m\n\x1b[1;31mERROR\x1b[0m:    \x1b[31mConnection refused\x1b[0m\n")
    assert (event.type, event.level, event.line) == ("ConnectionError", "ERROR", 2)
    assert "\x1b" not in event.message


def test_what_is_not_utf_8_is_shown_escaped_and_cut() -> None:
    (event,) = events(b"\xff\x00 Connection refused " + b"\xc3\xa4" * 1000 + b"\n")
    assert event.message.startswith("\\xff\\x00 Connection refused ää")
    assert len(event.message) <= MESSAGE_LIMIT


def test_a_long_line_of_nothing_but_matches_is_one_event() -> None:
    assert len(events("timed out " * 100_000 + "\n")) == 1


MEBIBYTE = 1 << 20
MARK = "Traceback (most recent call last):\n"


@pytest.mark.parametrize(
    "text",
    [
        "MemoryError\n" * (MEBIBYTE // 12),
        MARK * (MEBIBYTE // len(MARK)),
        f"  + Exception Group {MARK}" + "  | MemoryError: x\n" * (MEBIBYTE // 19),
    ],
    ids=["matches", "marks", "group"],
)
def test_a_mebibyte_full_of_matches_takes_bounded_time(text: str) -> None:
    began = time.process_time()
    events(text)
    assert time.process_time() - began < 5


def test_what_an_exception_says_is_remembered_in_part() -> None:
    long = "x" * 200_000
    scan = FileScan(SCANNER, "", Layouts(Times()))
    for number in range(10):
        text = f"{HEADER}{MARK}  File\nMemoryError: {number}{long}\n{HEADER}".encode()
        assert len(scan.window(text, len(text), number * len(text), final=True).events) == 1
    assert scan._remembered
    assert sum(len(said) for _, said in scan._remembered) < 50_000


@pytest.mark.parametrize("length", [1, 5000])
def test_the_line_of_a_frame_may_be_any_text(length: int) -> None:
    (event,) = events(f'{MARK}  File "a.py", line {"1" * length}, in f\nMemoryError\n')
    assert len(event.frames) == (length == 1)


@pytest.mark.parametrize("padding", [0, 10_000])
def test_json_in_syslog_is_read_whole(padding: int) -> None:
    def line(exception: str) -> str:
        stack = TRACEBACK.replace("MemoryError: CUDA out of memory", exception)
        record = {"level": "ERROR", "message": "order 17", "padding": "x" * padding, "exc_info": stack}
        return f"Feb 19 10:30:00 web-1 shop[4121]: {json.dumps(record)}\n"

    found = events(line("ZeroDivisionError: x") + 2 * line("MemoryError: x"))
    assert [(event.line, event.type, event.level, event.message) for event in found] == [
        (number, "OutOfMemory", "ERROR", "order 17") for number in (2, 3)
    ]
    assert {event.exception for event in found} == {"MemoryError: x"}


def test_an_exclusion_speaks_for_its_own_line_and_type_alone() -> None:
    text = "no requests timed out\nrequest timed out\nno requests timed out: Connection refused\n"
    assert [(event.type, event.offset) for event in events(text)][1:] == [("ConnectionError", 40)]


def test_messages_that_differ_in_numbers_are_of_one_group() -> None:
    groups = {event.group for event in events("".join(f"upstream {n} of 10: Connection refused\n" for n in range(50)))}
    assert len(groups) == 1


def _mixed(seed: int) -> str:
    chance = random.Random(seed)
    parts = []
    for number in range(60):
        stamp = f"2026-02-19 10:30:{number:02d},123"
        parts.append(
            chance.choice(
                [
                    f"{stamp} INFO shop.web request {number} done\n",
                    f"{stamp} ERROR shop.orders order {number} failed\n{TRACEBACK}",
                    f"{stamp} ERROR shop.orders No space left on device, order {number}\n",
                    f'{{"level":"ERROR","message":"MemoryError {number}"}}\n',
                    f"{stamp} WARNING shop.web slow\n  timed out twice\n",
                ]
            )
        )
    return "".join(parts)


@given(st.integers(0, 2**32), st.integers(700, 3000))
def test_windows_of_any_size_give_the_same_events(seed: int, size: int) -> None:
    text = _mixed(seed).encode()
    scan = FileScan(SCANNER, "app.log", Layouts(Times()))
    found, start = [], 0
    while start < len(text):
        piece = text[start : start + size]
        window = scan.window(piece, len(piece), start, final=start + size >= len(text))
        assert window.consumed > 0
        found += window.events
        start += window.consumed
    assert found == events(text)
    assert scan.line == text.count(b"\n") + 1


def test_lines_that_no_runtime_has_wrapped_may_stand_between() -> None:
    put = WRAPPINGS["compose"]
    lines = ["Attaching to web-1", *map(put, TRACEBACK.splitlines()), "Error: Connection refused", put("all well")]
    assert types("\n".join(lines) + "\n") == ["OutOfMemory", "ConnectionError"]


SYSLOG = WRAPPINGS["syslog"]


def _in_windows(text: bytes, size: int) -> list[Event]:
    scan = FileScan(SCANNER, "app.log", Layouts(Times()))
    found, start = [], 0
    while start < len(text):
        piece = text[start : start + size]
        window = scan.window(piece, len(piece), start, final=start + size >= len(text))
        found += window.events
        start += window.consumed
    return found


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(5_000, 9_000))
def test_streams_that_are_mixed_give_the_same_events_in_windows_of_any_size(seed: int, size: int) -> None:
    chance = random.Random(seed)
    streams = [
        [f"svc{number}-1  | {line}" for part in range(12) for line in _mixed_record(part).splitlines()]
        for number in range(3)
    ]
    lines = []
    while streams:
        stream = chance.choice(streams)
        lines.append(stream.pop(0) + "\n")
        streams = [each for each in streams if each]
    text = "".join(lines).encode()
    whole = events(text)
    assert len(whole) == 36
    assert sorted(_in_windows(text, size), key=_place) == sorted(whole, key=_place)


def _mixed_record(number: int) -> str:
    quiet = f"2026-02-19 10:29:{number:02d},123 INFO shop.web all well\n"
    return quiet + HEADER + TRACEBACK + quiet


def _place(event: Event) -> int:
    return event.offset


@pytest.mark.parametrize("size", [3000, 3100, 3200])
def test_a_traceback_in_syslog_is_whole_where_a_window_ends(size: int) -> None:
    text = "".join(SYSLOG(line) + "\n" for line in TRACEBACK.splitlines() * 60).encode()
    found = _in_windows(text, size)
    assert found == events(text)
    assert [event.stack for event in found] == [TRACEBACK] * 60


def test_processes_that_are_mixed_in_syslog_are_told_apart() -> None:
    other = TRACEBACK.replace("MemoryError: CUDA out of memory", "OSError: [Errno 28] No space left on device")
    pairs = zip(TRACEBACK.splitlines(), other.splitlines(), strict=True)
    text = "".join(f"{SYSLOG(a)}\n{SYSLOG(b).replace('4121', '4122')}\n" for a, b in pairs)
    found = events(text)
    assert [(event.type, event.line, event.stack) for event in found] == [
        ("OutOfMemory", 1, TRACEBACK),
        ("DiskSpace", 2, other),
    ]


@pytest.mark.parametrize("empty_lines", [True, False])
def test_a_chain_in_syslog_is_one_event(empty_lines: bool) -> None:
    chain = f"{TRACEBACK}\nDuring handling of the above exception, another exception occurred:\n\n{TRACEBACK}"
    lines = [line for line in chain.splitlines() if line or empty_lines]
    (event,) = events("".join(SYSLOG(line) + "\n" for line in lines))
    assert len(event.frames) == 4


def test_the_second_traceback_of_a_wrapped_record_is_an_event_of_its_own_place() -> None:
    put = WRAPPINGS["compose"]
    found = events("".join(put(line) + "\n" for line in (HEADER + TRACEBACK * 2).splitlines()))
    assert [(event.line, event.level) for event in found] == [(1, "ERROR"), (8, "")]


@pytest.mark.parametrize(
    "line",
    [
        "[pod/web-{pod:02d}/web] upstream Connection refused by {number}\n",
        "c{number:06d}-1  | Connection refused\n",
        f"x {MARK}",
        f"Feb 19 10:30:00 web-1 shop[4121]: {MARK}",
    ],
)
def test_a_mebibyte_of_mixed_streams_takes_bounded_time(line: str) -> None:
    text = "".join(line.format(pod=number % 50, number=number) for number in range(MEBIBYTE // len(line)))
    began = time.process_time()
    events(text)
    assert time.process_time() - began < 20


def test_a_window_that_begins_with_a_traceback_takes_no_header_from_its_end() -> None:
    scan = FileScan(SCANNER, "app.log", Layouts(Times()))
    before = f"{HEADER}{TRACEBACK}2026-02-19 10:30:01,000 INFO shop.web next\n".encode()
    scan.window(before, len(before), 0, final=True)
    text = (TRACEBACK + "2026-02-19 10:30:02,000 ERROR shop.other unrelated\n" * 2).encode()
    (event,) = scan.window(text, len(text), len(before), final=False).events
    assert (event.logger, event.offset, event.line) == ("", len(before), before.count(b"\n") + 1)


def test_in_a_quiet_record_only_patterns_for_any_level_count() -> None:
    assert types("2026-02-19 10:30:00,123 INFO Child process [41] died of MemoryError: x\n") == ["ProcessCrash"]
