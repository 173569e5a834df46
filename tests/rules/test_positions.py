"""Each byte of a log file is read once, whatever becomes of the file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from logging_core.stream import Change
from rules.positions import Position, Positions, opened


@pytest.fixture
def positions(redis: Redis) -> Positions:
    return Positions(redis)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "app.log"
    path.write_bytes(b"first\nsecond\n")
    return path


def resume(positions: Positions, path: Path) -> Position:
    with opened(str(path)) as fd:
        return positions.resume(fd, str(path))


def advance(positions: Positions, path: Path, offset: int, changes: tuple[Change, ...] = ()) -> Position | None:
    with opened(str(path)) as fd:
        return positions.advance(fd, positions.resume(fd, str(path)), offset, cut=False, changes=changes)


def test_a_new_file_is_read_from_its_start(positions: Positions, log: Path) -> None:
    assert resume(positions, log).offset == 0


def test_reading_goes_on_where_it_stopped(positions: Positions, log: Path) -> None:
    advanced = advance(positions, log, 6)
    log.write_bytes(log.read_bytes() + b"third\n")
    assert resume(positions, log) == advanced
    assert resume(positions, log).offset == 6


def test_a_cut_line_is_remembered(positions: Positions, log: Path) -> None:
    with opened(str(log)) as fd:
        positions.advance(fd, positions.resume(fd, str(log)), 6, cut=True, changes=())
    assert resume(positions, log).cut


@pytest.mark.parametrize("text", [b"", b"new\n", b"other\nlines\nwritten anew, and more of them\n"])
def test_a_file_emptied_or_written_anew_is_read_from_its_start(positions: Positions, log: Path, text: bytes) -> None:
    advance(positions, log, 13)
    log.write_bytes(text)
    assert resume(positions, log).offset == 0
    advance(positions, log, len(text))
    assert resume(positions, log).offset == len(text)


def test_a_rotated_file_is_found_under_its_new_name_and_its_position_goes_with_it(
    positions: Positions, log: Path
) -> None:
    advance(positions, log, 6)
    log.rename(log.with_suffix(".log.1"))
    log.write_bytes(b"fresh\n")
    assert resume(positions, log).offset == 0
    assert positions.renamed(resume(positions, log)) == str(log.with_suffix(".log.1"))
    assert resume(positions, log.with_suffix(".log.1")).offset == 6


def test_once_the_new_file_is_read_the_old_one_is_no_longer_looked_for(positions: Positions, log: Path) -> None:
    advance(positions, log, 13)
    log.rename(log.with_suffix(".log.1"))
    log.write_bytes(b"fresh\n")
    advance(positions, log, 6)
    assert positions.renamed(resume(positions, log)) is None


def test_a_rotated_file_that_is_gone_is_not_found(positions: Positions, log: Path) -> None:
    advance(positions, log, 6)
    log.rename(log.parent.parent / "elsewhere.log")
    log.write_bytes(b"fresh\n")
    assert positions.renamed(resume(positions, log)) is None


def test_of_two_scans_at_one_position_only_one_moves_it_and_counts(
    positions: Positions, log: Path, redis: Redis
) -> None:
    change = (Change("add", "tocsin:scan:events", "Timeout", 1),)
    with opened(str(log)) as fd:
        position = positions.resume(fd, str(log))
        assert positions.advance(fd, position, 6, cut=False, changes=change)
        assert positions.advance(fd, position, 6, cut=False, changes=change) is None
    assert redis.hgetall("tocsin:scan:events") == {b"Timeout": b"1"}


def test_all_kinds_of_changes_are_applied(positions: Positions, log: Path, redis: Redis) -> None:
    redis.hset("tocsin:test", mapping={"add": 1, "set": 1, "once": 1, "min": 5, "max": 5, "less": 5, "more": 5})
    wanted = [("add", "add", 2), ("set", "set", 7), ("once", "once", 7), ("min", "min", 7), ("max", "max", 7)]
    wanted += [("min", "less", 3), ("max", "more", 3), ("min", "new", 9), ("once", "first", "text")]
    advance(positions, log, 6, tuple(Change(op, "tocsin:test", field, value, 60) for op, field, value in wanted))
    expected = b"add 3 set 7 once 1 min 5 max 7 less 3 more 5 new 9 first text".split()
    assert redis.hgetall("tocsin:test") == dict(zip(expected[::2], expected[1::2], strict=True))
    assert 0 < redis.ttl("tocsin:test") <= 60


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"), opened(str(tmp_path)):
        pass
