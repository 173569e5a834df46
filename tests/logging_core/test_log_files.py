import gzip
import os
import sys

import pytest
import zstandard

from logging_core.storage.log_files import BLOCK, LogFile, UnreadableError, series_below, series_in

LINES = b"".join(b'{"n":%d}\n' % number for number in range(300_000))  # some blocks


@pytest.fixture
def written(tmp_path):
    def write(name: str, data: bytes = b"") -> LogFile:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return LogFile(path)

    return write


def names(folder, service=None):
    return {each.name: [path.name for path in each.paths] for each in series_in(folder, service)}


def test_generations_stand_behind_their_file_the_oldest_first(tmp_path):
    for name in ("app.log", "app.log.1", "app.log.2.gz", "app.log.10.gz", "app.log.3.zst", "errors.log", "app-1.log"):
        (tmp_path / name).touch()
    assert names(tmp_path) == {
        "app.log": ["app.log.10.gz", "app.log.3.zst", "app.log.2.gz", "app.log.1", "app.log"],
        "app-1.log": ["app-1.log"],
        "errors.log": ["errors.log"],
    }


def test_what_others_name_by_dates_comes_before_what_has_none(tmp_path):
    for name in ("app.log", "app.log-20260219.gz", "app.log-20260218.gz", "app.log.2026-02-17", "app.log.1"):
        (tmp_path / name).touch()
    ordered = ["app.log.2026-02-17", "app.log-20260218.gz", "app.log-20260219.gz", "app.log.1", "app.log"]
    assert names(tmp_path) == {"app.log": ordered}


def test_files_that_are_split_by_date_are_one_series(tmp_path):
    for name in ("realtime_2026-02-20.jsonl", "realtime_2026-02-19.jsonl.gz", "realtime_2026-02-19.jsonl.1.gz"):
        (tmp_path / name).touch()
    ordered = ["realtime_2026-02-19.jsonl.1.gz", "realtime_2026-02-19.jsonl.gz", "realtime_2026-02-20.jsonl"]
    assert names(tmp_path) == {"realtime.jsonl": ordered}


def test_a_plain_file_wins_over_its_compressed_twin_and_parts_are_none(tmp_path):
    for name in ("app.log", "app.log.1", "app.log.1.gz", ".app.log.part", "notes.txt"):
        (tmp_path / name).touch()
    assert names(tmp_path) == {"app.log": ["app.log.1", "app.log"]}


def test_the_kind_of_a_shards_file_is_that_of_the_others(tmp_path):
    for name in ("app.log", "app-1.log", "app-63.log", "errors-2.log", "ai_responses.log"):
        (tmp_path / name).touch()
    assert {each.name: each.kind for each in series_in(tmp_path, None)} == {
        "app.log": "app",
        "app-1.log": "app",
        "app-63.log": "app",
        "errors-2.log": "errors",
        "ai_responses.log": "ai_responses",
    }


def test_folders_are_services_and_those_with_a_dot_are_not(tmp_path, written):
    for name in ("app.log", "shop/app.log", "mail/app.log", ".tocsin/app.log"):
        written(name)
    assert [(each.service, each.name) for each in series_below(tmp_path)] == [
        (None, "app.log"),
        ("mail", "app.log"),
        ("shop", "app.log"),
    ]


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        zstandard.ZstdCompressor().compress,
        lambda data: gzip.compress(data[:800]) + gzip.compress(data[800:]),  # joined by somebody's `cat`
    ],
)
def test_blocks_are_whole_lines_whatever_the_compression(written, pack):
    packed = pack(LINES + b"the end")
    file, read = written("app.log.2.gz", packed), []
    blocks = list(file.blocks(read.append))
    assert b"".join(blocks) == LINES + b"the end"
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    assert sum(read) == len(packed)


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"x\ny", LINES, LINES + b"the end", b"x" * 3 * BLOCK + b"\ny\n"])
def test_blocks_backward_are_the_same_from_the_end(written, data):
    file = written("app.log", data)
    blocks = list(file.blocks_backward())
    assert b"".join(reversed(blocks)) == data
    assert all(block.endswith(b"\n") for block in blocks[1:])


def test_a_line_longer_than_any_record_takes_no_more_memory_than_a_piece(written):
    file = written("app.log", b"x" * (40 << 20) + b'\n{"n":1}\n')
    blocks = list(file.blocks())
    assert max(map(len, blocks)) < 20 << 20
    assert blocks[-1].endswith(b'{"n":1}\n')


def test_the_last_line_may_be_left_to_whoever_reads_on(written):
    file = written("app.log", b"one\ntwo\nthr")
    file.keep_whole_lines()
    assert (file.size, list(file.blocks()), file.last_line()) == (8, [b"one\ntwo\n"], b"two")


def test_what_was_added_after_the_opening_is_not_read(written, tmp_path):
    file = written("app.log", b"one\n")
    with (tmp_path / "app.log").open("ab") as added:
        added.write(b"two\n")
    assert list(file.blocks()) == [b"one\n"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
def test_of_a_damaged_file_the_good_part_is_read_and_the_damage_told(written, pack):
    packed = pack(b"".join(os.urandom(50).hex().encode() + b"\n" for _ in range(4000)))
    file, got = written("app.log.1.gz", packed[: len(packed) // 2]), b""
    with pytest.raises(UnreadableError, match=r"app\.log\.1\.gz: damaged: it ends too early"):
        for block in file.blocks():
            got += block
    assert got.count(b"\n") > 1000
    file = written("app.log.2.gz", packed[:1000] + b"zzzz" + packed[1004:])
    with pytest.raises(UnreadableError, match=r"app\.log\.2\.gz: damaged"):
        list(file.blocks())


def test_without_zstandard_the_error_says_what_to_install(written, monkeypatch):
    file = written("app.log.1.zst", zstandard.ZstdCompressor().compress(b"x"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UnreadableError, match=r"pip install 'tocsin\[zstd\]'"):
        list(file.blocks())


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "app.log")
    with pytest.raises(UnreadableError, match="not a regular file"):
        LogFile(tmp_path / "app.log")
    with pytest.raises(UnreadableError, match="No such file"):
        LogFile(tmp_path / "absent.log")
