"""What is read ahead is what would be read, to the last byte and the same failure; who stops early waits for nobody."""

import gzip
import threading
from pathlib import Path

import pytest

from rules.reading.ahead import Ahead
from rules.reading.opening import open_source
from rules.reading.source import SourceError


def everything(read) -> bytes:
    memory, parts = memoryview(bytearray(100_003)), []
    while count := read(memory):
        parts.append(bytes(memory[:count]))
    assert read(memory) == 0
    return b"".join(parts)


@pytest.fixture
def text() -> bytes:
    return b"".join(b"line %d of it\n" % number for number in range(300_000))


def test_it_gives_the_same_bytes(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(text))
    with open_source(path) as source, Ahead(source) as ahead:
        assert everything(ahead.read) == text


def test_a_failure_comes_behind_what_could_be_read_and_stays(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(text)[:-1000])
    memory, count = memoryview(bytearray(1 << 20)), 0
    with open_source(path) as source, Ahead(source) as ahead:
        with pytest.raises(SourceError, match="ends too early"):
            while True:
                count += ahead.read(memory)
        with pytest.raises(SourceError, match="ends too early"):
            ahead.read(memory)
    assert 0 < count < len(text)


def test_who_stops_early_leaves_no_thread(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(text))
    with open_source(path) as source, Ahead(source) as ahead:
        assert ahead.read(memoryview(bytearray(10))) == 10
    assert not [each for each in threading.enumerate() if each.name == "tocsin-ahead"]
