"""Files of any kind, opened and read to their end, or as far as they can be read."""

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import zstandard

from rules.reading.mapped import SEALED_FOR, MappedFile
from rules.reading.opening import open_source
from rules.reading.source import Source, SourceError
from rules.reading.window import Window

LINES = b"".join(b"line %d of the log, %d\n" % (number, number * 7919 % 1009) for number in range(50_000))
Pack = Callable[[bytes], bytes]
PACKINGS: list[Pack] = [gzip.compress, bz2.compress, partial(lzma.compress, preset=0), zstandard.compress]
packings = pytest.mark.parametrize("pack", PACKINGS, ids=["gzip", "bzip2", "xz", "zstd"])


def read_all(source: Source) -> bytes:
    return b"".join(shown(source))


def shown(source: Source) -> Iterator[bytes]:
    window = Window(source.read)
    while not window.ended:
        window.fill()
        yield bytes(window.text)
        window.consume(len(window.text))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@packings
def test_an_archive_is_known_by_what_it_begins_with(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(LINES))
    with open_source(path) as source:
        assert read_all(source) == LINES
        assert source.is_packed
        assert source.position == source.size == path.stat().st_size


def test_a_plain_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "app.log.gz"
    path.write_bytes(LINES)
    with open_source(path) as source:
        assert read_all(source) == LINES
        assert not source.is_packed


@packings
def test_archives_joined_and_padded_are_one_text(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(b"one\n") + pack(b"") + pack(LINES) + bytes(100))
    with open_source(path) as source:
        assert read_all(source) == b"one\n" + LINES


@packings
def test_an_archive_that_ends_too_early_is_given_as_far_as_it_goes(path: Path, pack: Pack) -> None:
    packed = pack(LINES)
    path.write_bytes(packed[: len(packed) - 9])
    told = f"app.log: the .* archive ends too early; read as far as byte {len(packed) - 9}, which is"
    with open_source(path) as source:
        text = b""
        with pytest.raises(SourceError, match=told):
            for part in shown(source):
                text += part
    assert LINES.startswith(text)
    # bzip2 and zstd give whole blocks only: of 900 kB, and of 128 KiB
    assert len(text) >= (900_000 if pack is bz2.compress else len(LINES) - (1 << 17))


@packings
def test_a_damaged_archive_is_given_as_far_as_the_damage(path: Path, pack: Pack) -> None:
    second = bytearray(pack(LINES))
    second[len(second) // 2] ^= 0xFF
    path.write_bytes(pack(b"whole\n") + second)
    with open_source(path) as source:
        text = b""
        with pytest.raises(SourceError, match=re.escape(str(path)) + ": the .* archive is damaged: "):
            for part in shown(source):
                text += part
    assert text.startswith(b"whole\n")


@packings
def test_what_follows_an_archive_is_told_of(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(b"whole\n") + b"this is no archive")
    with open_source(path) as source:
        parts = shown(source)
        assert next(parts) == b"whole\n"
        with pytest.raises(SourceError):
            next(parts)


@packings
def test_a_bomb_is_stopped_in_bounded_memory(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(bytes(128 << 20)) * 4)
    assert path.stat().st_size < 1 << 20
    began = time.monotonic()
    read = (
        "import sys\n"
        "from rules.reading.opening import open_source\n"
        "from rules.reading.source import SourceError\n"
        "from rules.reading.window import Window\n"
        "with open_source(sys.argv[1], trusted=100 << 20) as source:\n"
        "    window = Window(source.read)\n"
        "    try:\n"
        "        while not window.ended:\n"
        "            window.fill()\n"
        "            window.consume(len(window.text))\n"
        "    except SourceError as error:\n"
        "        print(error)\n"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"  # ru_maxrss is our own at first
    )
    done = subprocess.run([sys.executable, "-c", read, str(path)], capture_output=True, text=True, check=True)
    told, most = done.stdout.splitlines()
    assert "unpacks to more than 200 times its size" in told
    assert int(most) < 100 << 10  # KiB
    assert time.monotonic() - began < 60


def test_an_archive_that_asks_for_too_much_memory_is_refused(path: Path) -> None:
    huge = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    path.write_bytes(lzma.compress(b"x", filters=huge))
    with open_source(path) as source, pytest.raises(SourceError, match="xz archive is damaged: Memory usage limit"):
        read_all(source)


def test_zstd_that_is_not_installed_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path.write_bytes(zstandard.compress(b"one\n"))
    with pytest.raises(SourceError, match=re.escape("pip install 'tocsin[zstd]'")):
        open_source(path)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_as_utf_8(path: Path, codec: str) -> None:
    text = "\ufeff" + "ligne é, 行 \U0001f600\r\n" * 30_000
    path.write_bytes(text.encode(codec) + b"\0")
    with open_source(path) as source:
        window = Window(source.read)
        window.fill()
        assert window.start == 3
        window.consume(len(window.text))
        assert source.is_packed
    with open_source(path) as source:
        assert read_all(source).decode() == text[1:] + "\ufffd"


def test_a_pipe_is_read_as_it_comes_and_unpacked() -> None:
    begin, end = os.pipe()
    os.write(end, gzip.compress(b"one\n"))
    os.close(end)
    with open_source(f"/dev/fd/{begin}") as source:
        assert read_all(source) == b"one\n"
        assert source.size is None
    os.close(begin)


def test_standard_input_is_a_dash() -> None:
    read = "import os\nfrom rules.reading.opening import open_source\nwith open_source('-') as source:\n"
    read += (
        "    memory = bytearray(99)\n    while count := source.read(memoryview(memory)): os.write(1, memory[:count])"
    )
    done = subprocess.run([sys.executable, "-c", read], input=b"a line\nand a half", capture_output=True, check=True)
    assert done.stdout == b"a line\nand a half"


@pytest.mark.parametrize("kind", ["nothing", "folder", "fifo", "socket"])
def test_what_is_no_file_is_refused_at_once_and_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        path.symlink_to("/dev/null")
    with pytest.raises(SourceError, match=re.escape(str(path)) + ": "):
        open_source(path)


def test_a_file_that_is_sealed_is_mapped_on_request(path: Path) -> None:
    path.write_bytes(LINES)
    with open_source(path, mmap=True) as source:
        assert not isinstance(source, MappedFile)
    os.utime(path, (0, time.time() - SEALED_FOR - 1))
    with open_source(path, mmap=True) as source:
        assert isinstance(source, MappedFile)
        assert read_all(source) == LINES
        source.seek(len(LINES) - 4)
        assert read_all(source) == LINES[-4:]


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_that_is_cut_ends_there(path: Path, mmap: bool) -> None:
    path.write_bytes(LINES)
    os.utime(path, (0, 0))
    with open_source(path, mmap=mmap) as source:
        memory = memoryview(bytearray(1000))
        assert source.read(memory) == 1000
        os.truncate(path, 1500)
        assert source.read(memory) == 500
        os.truncate(path, 10)
        assert source.read(memory) == 0


def test_a_file_is_read_though_it_vanishes(path: Path) -> None:
    path.write_bytes(LINES)
    with open_source(path) as source:
        path.unlink()
        assert read_all(source) == LINES
