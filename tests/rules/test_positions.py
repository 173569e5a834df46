"""Each byte of a log file is read once, whatever becomes of the file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from logging_core.streams.stream import Change
from rules.position import Position, opened
from rules.positions import Positions
from rules.ranges import Range
from rules.siblings import siblings
from tests.servers import memory_limit
from tests.waiting import wait_until

ON_EVERY_REDIS = True  # see tests/conftest.py


@pytest.fixture
def positions(redis: Redis) -> Positions:
    return Positions(redis, "shop", "here")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "app.log"
    path.write_bytes(b"first\nsecond\n")
    return path


def resume(positions: Positions, path: Path) -> Position:
    with opened(str(path)) as fd:
        position = positions.resume(fd, str(path))
        assert position
        return position


def advance(positions: Positions, path: Path, offset: int, changes: tuple[Change, ...] = ()) -> Position | None:
    with opened(str(path)) as fd:
        return positions.advance(fd, resume(positions, path), offset, changes=changes)


def test_a_new_file_is_read_from_its_start(positions: Positions, log: Path) -> None:
    assert resume(positions, log).offset == 0


def test_reading_goes_on_where_it_stopped(positions: Positions, log: Path) -> None:
    advance(positions, log, 6)
    log.write_bytes(log.read_bytes() + b"third\n")
    assert resume(positions, log).offset == 6


def test_a_cut_line_is_remembered(positions: Positions, log: Path) -> None:
    with opened(str(log)) as fd:
        positions.advance(fd, resume(positions, log), 6, cut=True)
    assert resume(positions, log).cut


@pytest.mark.parametrize("text", [b"", b"new\n", b"other\nlines\nwritten anew, and more of them\n"])
def test_a_file_emptied_or_written_anew_is_read_from_its_start(positions: Positions, log: Path, text: bytes) -> None:
    advance(positions, log, 13)
    log.write_bytes(text)
    assert resume(positions, log).offset == 0
    advance(positions, log, len(text))
    assert resume(positions, log).offset == len(text)


def behind(positions: Positions, log: Path) -> list[str]:
    return sorted(Path(path).name for path in positions.behind(list(siblings([str(log)]))))


def test_a_file_keeps_its_position_under_a_new_name(positions: Positions, log: Path) -> None:
    advance(positions, log, 6)
    log.rename(log.with_suffix(".old"))
    log.write_bytes(b"fresh\n")
    assert resume(positions, log).offset == 0
    assert behind(positions, log) == ["app.old"]
    assert resume(positions, log.with_suffix(".old")).offset == 6


def test_a_sibling_is_behind_until_it_is_read_and_again_when_it_is_written_on(positions: Positions, log: Path) -> None:
    old = log.with_suffix(".old")
    advance(positions, log, 6)
    log.rename(old)
    advance(positions, old, 13)
    assert behind(positions, log) == []
    with old.open("ab") as late:
        late.write(b"late\n")
    assert behind(positions, log) == ["app.old"]


@pytest.mark.parametrize(
    ("name", "followed"),
    [
        ("app.log.1", True),
        ("app.log.2026-02-19", True),
        ("app.log.2026-02-19_10-30", True),
        ("app-20260219.log", True),
        ("app.1.log", True),
        ("app.1", True),
        ("app.log.1.gz", True),
        ("app.pid", False),
        ("app2.log", False),
        ("apples.log.1", False),
        ("other.log.1", False),
        ("app-web-1.log", False),
    ],
)
def test_a_new_sibling_is_followed_if_a_number_is_all_that_its_name_has_more(
    positions: Positions, log: Path, name: str, *, followed: bool
) -> None:
    log.with_name(name).write_bytes(b"line\n")
    assert behind(positions, log) == ([name] if followed else [])


LINES = b"".join(b"%d: a line\n" % number for number in range(100))


def test_a_copy_of_a_file_that_was_emptied_goes_on_where_that_one_was_read_to(positions: Positions, log: Path) -> None:
    log.write_bytes(LINES)
    advance(positions, log, 500)
    copy = log.with_name("app.log.1")
    copy.write_bytes(LINES)
    log.write_bytes(b"")
    assert behind(positions, log) == ["app.log.1"]
    assert resume(positions, copy).offset == 500
    assert resume(positions, log).offset == 0


def test_the_sources_have_positions_of_their_own(redis: Redis, positions: Positions, log: Path) -> None:
    advance(positions, log, 6)
    assert resume(Positions(redis, "nginx", "here"), log).offset == 0


@pytest.mark.parametrize(
    ("text", "offset", "cut"),
    [
        (b"", 0, False),
        (b"whole\n", 6, False),
        (b"whole\nhalf", 6, False),
        (b"half", 0, False),
        (b"whole\n" + b"x" * 100_000, 100_006, True),
    ],
)
def test_what_is_skipped_ends_with_a_whole_line(
    positions: Positions, log: Path, text: bytes, offset: int, *, cut: bool
) -> None:
    log.write_bytes(text)
    with opened(str(log)) as fd:
        positions.skip(fd, str(log))
    found = resume(positions, log)
    assert (found.offset, found.cut) == (offset, cut)


def test_a_file_that_is_known_is_not_skipped(positions: Positions, log: Path) -> None:
    advance(positions, log, 6)
    with opened(str(log)) as fd:
        positions.skip(fd, str(log))
    assert resume(positions, log).offset == 6


def test_a_file_that_was_cut_goes_on_at_its_new_end_however_much_it_grows(positions: Positions, log: Path) -> None:
    log.write_bytes(LINES)
    advance(positions, log, 1000)
    os.truncate(log, 600)
    assert resume(positions, log).offset == 600
    log.write_bytes(LINES)
    assert resume(positions, log).offset == 600


def test_looking_at_an_idle_file_renews_all_expiries(positions: Positions, log: Path, redis: Redis) -> None:
    advance(positions, log, 13)
    positions.begin(["*.log"])
    old = log.with_name("app.log.1")
    old.write_bytes(b"line\n")
    advance(positions, old, 5)
    keys = list(redis.scan_iter("tocsin:{0}:scan:*"))
    assert len(keys) == 3
    for key in keys:
        redis.expire(key, 5)
    resume(positions, log)
    behind(positions, log)
    assert positions.begun() == {"*.log"}
    assert min(redis.ttl(key) for key in keys) > 29 * 86400


def test_of_two_scans_at_one_position_only_one_moves_it_and_counts(
    positions: Positions, log: Path, redis: Redis
) -> None:
    change = (Change("add", "scan:events", "Timeout", 1),)
    with opened(str(log)) as fd:
        position = resume(positions, log)
        assert positions.advance(fd, position, 6, changes=change)
        assert positions.advance(fd, position, 6, changes=change) is None
    assert redis.hgetall("tocsin:{0}:scan:events") == {b"Timeout": b"1"}


def test_at_the_memory_limit_positions_move_and_errors_are_counted(
    positions: Positions, log: Path, redis: Redis
) -> None:
    change = (Change("add", "scan:events", "Timeout", 1),)
    with memory_limit(redis):
        assert advance(positions, log, 6, change)
    assert redis.hgetall("tocsin:{0}:scan:events") == {b"Timeout": b"1"}


def test_ranges_are_struck_off_and_with_the_last_one_the_position_moves(
    positions: Positions, log: Path, redis: Redis
) -> None:
    change = (Change("add", "scan:events", "Timeout", 1),)
    log.write_bytes(LINES)
    with opened(str(log)) as fd, memory_limit(redis):
        split = positions.split(fd, resume(positions, log), [Range(0, 300), Range(300, 600)])
        assert split == resume(positions, log)
        assert split.ranges == (Range(0, 300), Range(300, 600))
        assert positions.finish(split, 300, change)
        assert not positions.finish(split, 300, change)
        assert resume(positions, log).ranges == (Range(0, 300),)
        assert positions.finish(split, 0, change)
        assert not positions.finish(split, 0, change)
    found = resume(positions, log)
    assert (found.offset, found.ranges, found.tail) == (600, (), LINES[600 - 256 : 600])
    assert redis.hgetall("tocsin:{0}:scan:events") == {b"Timeout": b"2"}


def test_ranges_move_to_the_copy_and_nobody_finishes_them_in_the_old_place(
    positions: Positions, log: Path, redis: Redis
) -> None:
    log.write_bytes(LINES)
    with opened(str(log)) as fd:
        split = positions.split(fd, resume(positions, log), [Range(0, 300), Range(300, 600)])
    assert split
    assert positions.finish(split, 0, ())
    copy = log.with_name("app.log.1")
    copy.write_bytes(LINES)
    log.write_bytes(b"")
    with memory_limit(redis):
        assert resume(positions, log).offset == 0
        assert not positions.finish(split, 300, ())
        assert resume(positions, copy).ranges == (Range(300, 600),)


def test_a_lease_is_one_readers_until_he_gives_it_up_or_it_ends(positions: Positions, log: Path, redis: Redis) -> None:
    position = resume(positions, log)
    assert positions.lease(position, "0", 60)
    assert not positions.lease(position, "0", 60)
    assert positions.lease(position, "300", 0.001)
    positions.give_up(position, "0")
    assert positions.lease(position, "0", 60)
    wait_until(lambda: positions.lease(position, "300", 60), what="the lease to end")


def test_all_kinds_of_changes_are_applied(positions: Positions, log: Path, redis: Redis) -> None:
    redis.hset("tocsin:{0}:test", mapping={"add": 1, "set": 1, "once": 1, "min": 5, "max": 5, "less": 5, "more": 5})
    wanted = [("add", "add", 2), ("set", "set", 7), ("once", "once", 7), ("min", "min", 7), ("max", "max", 7)]
    wanted += [("min", "less", 3), ("max", "more", 3), ("min", "new", 9), ("once", "first", "text")]
    advance(positions, log, 6, tuple(Change(op, "test", field, value, 60) for op, field, value in wanted))
    expected = b"add 3 set 7 once 1 min 5 max 7 less 3 more 5 new 9 first text".split()
    assert redis.hgetall("tocsin:{0}:test") == dict(zip(expected[::2], expected[1::2], strict=True))
    assert 0 < redis.ttl("tocsin:{0}:test") <= 60


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"), opened(str(tmp_path)):
        pass
