import gzip
import os
from datetime import UTC, datetime, timedelta

import pytest

from logging_core.storage import log_follow
from logging_core.storage.log_files import LogFile, series_in
from logging_core.storage.log_follow import SeriesTail

BEGIN = datetime(2026, 2, 19, tzinfo=UTC)


def line(number: int) -> bytes:
    moment = BEGIN + timedelta(seconds=number)
    return b'{"timestamp":"%s","n":%d}\n' % (moment.isoformat(timespec="microseconds").encode(), number)


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


class Log:
    """A file that somebody writes, and its tail."""

    def __init__(self, folder, *, offset: bool = True) -> None:
        self.path = folder / "app.log"
        self.path.write_bytes(lines(0))
        (series,) = series_in(folder, None)
        self.tail = SeriesTail(series, LogFile(self.path) if offset else None)

    def add(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def rotate(self) -> None:
        for number in range(8, 0, -1):
            for suffix in ("", ".gz"):
                older = self.path.with_name(f"app.log.{number}{suffix}")
                if older.exists():
                    older.rename(self.path.with_name(f"app.log.{number + 1}{suffix}"))
        self.path.rename(self.path.with_name("app.log.1"))

    def compress(self, number: int) -> None:
        plain = self.path.with_name(f"app.log.{number}")
        status = plain.stat()
        packed = plain.with_name(f"{plain.name}.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        plain.unlink()

    def added(self) -> bytes:
        return b"".join(self.tail.blocks())


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path)
    yield log
    log.tail.close()


def test_what_is_added_comes_once_and_only_whole_lines(log):
    assert log.added() == b""
    log.add(lines(1, 2) + line(3)[:20])
    assert log.added() == lines(1, 2)
    assert log.added() == b""
    log.add(line(3)[20:] + line(4))
    assert log.added() == lines(3, 4)


def test_without_an_open_file_all_that_is_there_comes(tmp_path):
    log = Log(tmp_path, offset=False)
    assert log.added() == lines(0)
    log.tail.close()


def test_a_rotation_loses_nothing_on_either_side(log):
    log.add(lines(1))
    log.rotate()
    assert log.added() == lines(1)  # there is no new file yet
    log.add(lines(2))
    assert log.added() == lines(2)
    log.add(lines(3))
    assert log.added() == lines(3)


def test_several_rotations_between_two_looks_lose_nothing(log):
    for number in range(1, 6):
        log.add(lines(number))
        log.rotate()
    log.add(lines(6))
    assert log.added() == lines(1, 2, 3, 4, 5, 6)


def test_also_where_all_of_them_were_compressed_meanwhile(log):
    for number in range(1, 4):
        log.add(lines(number))
        log.rotate()
    log.add(lines(4))
    for number in (1, 2, 3):
        log.compress(number)
    assert log.added() == lines(1, 2, 3, 4)


def test_older_files_do_not_come_again_where_ours_was_moved_away(log, tmp_path):
    older = tmp_path / "app.log.1"
    older.write_bytes(lines(100))
    os.utime(older, (1, 1))
    log.path.rename(tmp_path / "elsewhere")
    log.add(lines(1))
    assert log.added() == lines(1)


def test_what_a_process_still_writes_to_the_old_file_comes(log, monkeypatch):
    with log.path.open("ab") as held:
        log.rotate()
        log.add(lines(2))
        assert log.added() == lines(2)
        held.write(lines(1))
        held.flush()
        assert log.added() == lines(1)
        monkeypatch.setattr(log_follow, "LINGER", 0.0)
        log.added()
        log.add(lines(3))
        assert log.added() == lines(3)


def test_a_file_that_is_cut_to_nothing_is_read_from_its_start(log):
    log.add(lines(1, 2))
    assert log.added() == lines(1, 2)
    os.truncate(log.path, 0)
    assert log.added() == b""
    log.add(lines(3))
    assert log.added() == lines(3)


def test_also_where_it_has_grown_beyond_its_old_end_meanwhile(log):
    log.path.write_bytes(lines(5, 6, 7, 8))
    assert log.added() == lines(5, 6, 7, 8)


@pytest.mark.parametrize("look_between", [True, False])
def test_what_a_writer_cuts_away_and_writes_again_comes_once(log, look_between):
    safe = log.path.stat().st_size
    log.add(lines(1, 2))
    assert log.added() == lines(1, 2)
    os.truncate(log.path, safe)
    if look_between:
        assert log.added() == b""
    log.add(lines(1, 2, 3))
    assert log.added() == lines(3)


def test_lines_without_a_time_may_be_alike(log):
    log.add(b'{"beat":1}\n')
    assert log.added() == b'{"beat":1}\n'
    os.truncate(log.path, 0)
    assert log.added() == b""
    log.add(b'{"beat":1}\n')
    assert log.added() == b'{"beat":1}\n'


def test_what_was_read_before_the_tail_began_is_known_again_too(log):
    os.truncate(log.path, 0)
    log.add(lines(0, 1))
    assert log.added() == lines(1)


def test_a_line_longer_than_a_block_comes_whole(log):
    long = b'{"x":"' + b"x" * 3_000_000 + b'"}\n'
    log.add(long[:2_000_000])
    assert log.added() == b""
    log.add(long[2_000_000:] + lines(1))
    assert log.added() == long + lines(1)


def test_a_name_that_changes_with_the_date_is_followed(tmp_path):
    (tmp_path / "realtime_2026-02-19.jsonl").write_bytes(lines(0))
    (series,) = series_in(tmp_path, None)
    tail = SeriesTail(series, LogFile(series.paths[-1]))
    (tmp_path / "realtime_2026-02-20.jsonl").write_bytes(lines(2))
    with series.paths[-1].open("ab") as file:
        file.write(lines(1))
    tail.look_again(series_in(tmp_path, None)[0])
    assert b"".join(tail.blocks()) == lines(1, 2)
    tail.close()
