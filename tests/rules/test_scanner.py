"""Chunks are whole lines whatever the lines are, and a chunk gives one event for each line that is an error."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.patterns import load_patterns
from rules.scanner import LINE_SHOWN, Chunk, Event, Scanner, read_chunk

SCANNER = Scanner(load_patterns())


def chunks(path: Path, size: int) -> list[tuple[int, bytes]]:
    """(offset, lines) of every chunk of a file, read into a buffer of `size` bytes."""
    buffer, found = bytearray(size), []
    fd = os.open(path, os.O_RDONLY)
    try:
        offset, cut = 0, False
        while chunk := read_chunk(fd, offset, cut=cut, buffer=buffer):
            found.append((chunk.start, bytes(chunk.lines)))
            offset, cut = chunk.end, chunk.cut
    finally:
        os.close(fd)
    return found


def events(text: bytes, start: int = 0) -> list[Event]:
    return list(SCANNER.events("app", Chunk(memoryview(text), start, start + len(text), cut=False)))


def test_a_chunk_ends_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\n")
    assert chunks(path, 10) == [(0, b"one\ntwo\n"), (8, b"three\n")]


def test_an_incomplete_last_line_is_left(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    assert chunks(path, 10) == [(0, b"one\n")]


def test_a_line_longer_than_the_buffer_is_cut_and_its_rest_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a" * 25 + b"\nnext\n")
    assert [(start, lines) for start, lines in chunks(path, 10) if lines] == [(0, b"a" * 10), (26, b"next\n")]


@given(st.lists(st.text("ab \r", max_size=30).map(str.encode)), st.integers(4, 40))
def test_every_line_is_read_once_and_at_its_offset(tmp_path_factory, lines: list[bytes], size: int) -> None:
    path = tmp_path_factory.mktemp("scan") / "log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    found = []
    for start, part in chunks(path, size):
        for line in re.findall(rb"[^\n]*\n", part) if part.endswith(b"\n") else [part] if part else []:
            found.append((start, line.removesuffix(b"\n")))
            start += len(line)
    assert found == [(start, line[:size]) for start, line in zip(starts, lines, strict=True)]


def test_an_event_says_type_place_and_line() -> None:
    text = b"fine\nOSError: [Errno 28] No space left on device\r\n"
    assert events(text, start=100) == [
        Event("DiskSpace", "critical", "app", 105, "OSError: [Errno 28] No space left on device")
    ]


def test_a_line_is_one_event_of_the_type_with_the_highest_priority() -> None:
    text = b"Connection refused; Connection refused; timed out; Permission denied; MemoryError\n"
    assert [event.type for event in events(text)] == ["OutOfMemory"]


def test_events_come_in_the_order_of_their_lines() -> None:
    text = b"timed out\nMemoryError\nall well\nEACCES\n"
    assert [(event.type, event.offset) for event in events(text)] == [
        ("Timeout", 0),
        ("OutOfMemory", 10),
        ("PermissionDenied", 31),
    ]


def test_an_exclusion_speaks_for_its_own_line_and_type_alone() -> None:
    text = b"no requests timed out\nrequest timed out\nno requests timed out: Connection refused\n"
    assert [(event.type, event.offset) for event in events(text)] == [("Timeout", 22), ("ConnectionError", 40)]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (b'{"level":"ERROR","message":"MemoryError"}', 1),
        (b'{"level":"WARNING","message":"MemoryError"}', 1),
        (b'{"message":"MemoryError"}', 1),
        (b'{"level":"INFO","message":"MemoryError"}', 0),
        (b'{"level":"debug","message":"MemoryError"}', 0),
        (b'{"level":"ERROR","message":"MemoryError","extra":{"level":"INFO"}}', 1),
        (b'{"level":"ERROR","message":"MemoryError: \\"level\\":\\"INFO\\""}', 1),
        (b'{"level":20,"message":"MemoryError"}', 1),
        (b"{not json MemoryError", 1),
    ],
)
def test_a_json_line_counts_unless_its_level_is_quiet(line: bytes, count: int) -> None:
    assert len(events(line + b"\n")) == count


def test_what_is_not_utf_8_is_shown_escaped_and_cut() -> None:
    (event,) = events(b"\xff MemoryError: " + b"\xc3\xa4" * 1000 + b"\n")
    assert event.line.startswith("\\xff MemoryError: ää")
    assert len(event.line) == LINE_SHOWN


def test_a_long_line_of_nothing_but_matches_is_one_event() -> None:
    assert len(events(b"timed out " * 100_000 + b"\n")) == 1
