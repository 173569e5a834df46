"""Files of any kind, opened and read to their end."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from rules.reading.opening import open_source
from rules.reading.window import Window

LINES = b"".join(b"line %d of the log, %d\n" % (number, number * 7919 % 1009) for number in range(50_000))


def read_all(window: Window) -> bytes:
    text = b""
    while not window.ended:
        window.fill()
        text += window.text
        window.consume(len(window.text))
    return text


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_file_is_unpacked_by_what_it_begins_with(tmp_path: Path, pack: type[bytes]) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(pack(LINES))
    with open_source(path) as source:
        assert read_all(Window(source.read)) == LINES
        assert source.position == source.size == path.stat().st_size
