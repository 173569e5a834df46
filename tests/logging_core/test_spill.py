"""What is spilled to a disk arrives once and in order, whoever dies at whatever step; no caller waits for the disk."""

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from logging_core import RedisStreamHandler
from logging_core.buffers import claim, segment, segment_files, spill, spool
from logging_core.buffers.adoption import AdoptedSpool, orphans
from logging_core.buffers.buffer import Source
from logging_core.buffers.gap import Gap, coded, explain
from logging_core.buffers.overflow import Overflow, Policy
from logging_core.buffers.segment import SIZE
from logging_core.buffers.spill import Spill, SpillPlace
from logging_core.buffers.spool import SpoolBuffer, spill_root
from logging_core.streams.shipper import ship_orphans

PER_SEGMENT = SIZE // 1024 - 1  #: lines of 1 KiB, about


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def place(tmp_path: Path) -> SpillPlace:
    return SpillPlace(tmp_path / "disk" / "redis")


@pytest.fixture
def make(tmp_path: Path, place: SpillPlace) -> Iterator[Callable[..., SpoolBuffer]]:
    made: list[SpoolBuffer] = []

    def _make(overflow: Overflow = "drop_newest", at: SpillPlace = place) -> SpoolBuffer:
        made.append(SpoolBuffer(tmp_path / "spool" / "redis", "shop", 4 * SIZE, Policy(overflow), at))
        return made[-1]

    yield _make
    for buffer in made:
        buffer.close(0)


def line(number: int) -> bytes:
    return (b"%d " % number).ljust(1023, b"x") + b"\n"


def log(buffer: SpoolBuffer, first: int, last: int, *, relieving: bool = True) -> None:
    """Records of these numbers, the shipper at work beside it, and Redis away."""
    for number in range(first, last + 1):
        assert buffer.put(line(number))
        while relieving and number % 100 == 0 and buffer.relieve(stalled=True):
            pass


def taken(source: Source) -> list[int]:
    """The numbers of all that can be taken; each is its ordinal."""
    found = []
    while batch := source.take(100_000):
        lines = [int(text.split()[0]) for text in batch.body.splitlines()]
        assert lines == list(range(batch.first, batch.first + batch.count))
        found += lines
    return found


def files(place: SpillPlace) -> list[Path]:
    return sorted(place.root.glob("*/*.segment"))


def adopted(tmp_path: Path, place: SpillPlace) -> AdoptedSpool:
    (found,) = orphans(tmp_path / "spool" / "redis", place)
    return found


def test_what_does_not_fit_into_memory_waits_on_the_disk_and_comes_in_order(
    make: Callable[..., SpoolBuffer], place: SpillPlace, tmp_path: Path
) -> None:
    buffer = make()
    log(buffer, 1, 20_000)
    assert buffer.refused == {}
    assert len(list((tmp_path / "spool").glob("*/*/*.segment"))) <= 4
    assert sum(path.stat().st_size for path in files(place)) > 15 * SIZE
    assert taken(buffer) == list(range(1, 20_001))
    buffer.release(20_000, 20_000)
    assert files(place) == []
    log(buffer, 20_001, 20_010)
    assert taken(buffer) == list(range(20_001, 20_011))
    buffer.close(20_010)
    assert list(place.root.iterdir()) == list((tmp_path / "spool" / "redis").iterdir()) == []


def test_nothing_is_spilled_while_the_stream_takes_what_comes(
    make: Callable[..., SpoolBuffer], place: SpillPlace
) -> None:
    buffer = make()
    log(buffer, 1, 3 * PER_SEGMENT, relieving=False)
    assert not buffer.relieve(stalled=False)
    assert files(place) == []
    assert not place.root.exists()


def test_what_comes_behind_a_spill_follows_it_to_the_disk_though_the_stream_takes(
    make: Callable[..., SpoolBuffer],
) -> None:
    buffer = make()
    log(buffer, 1, 10_000)
    first = buffer.take(1000)
    assert first is not None
    for number in range(10_001, 20_001):
        assert buffer.put(line(number))
        buffer.relieve(stalled=False)
    assert taken(buffer) == list(range(first.count + 1, 20_001))


@pytest.mark.parametrize("ordinal", [1, 2, PER_SEGMENT, 5000, 9_000, 9_999, 10_000])
def test_seek_goes_anywhere_in_memory_and_on_the_disk(make: Callable[..., SpoolBuffer], ordinal: int) -> None:
    buffer = make()
    log(buffer, 1, 10_000)
    assert taken(buffer) == list(range(1, 10_001))
    assert buffer.seek(ordinal) == ordinal
    assert taken(buffer) == list(range(ordinal, 10_001))
    assert buffer.seek(10_001) == 10_001
    assert buffer.take(1000) is None


def test_a_segment_may_be_spilled_while_it_is_read(make: Callable[..., SpoolBuffer]) -> None:
    buffer = make()
    log(buffer, 1, 2500, relieving=False)
    batch = buffer.take(100_000)
    assert batch is not None
    assert buffer.relieve(stalled=True)
    assert taken(buffer) == list(range(batch.count + 1, 2501))
    buffer.seek(batch.first)  # its reply did not come
    assert taken(buffer) == list(range(1, 2501))


WRITE_AND_DIE = """
import os, signal, sys
from contextlib import suppress
from pathlib import Path
from logging_core.buffers.segment import SIZE
from logging_core.buffers.spill import SpillPlace
from logging_core.buffers.spool import SpoolBuffer
buffer = SpoolBuffer(Path(sys.argv[1]), "shop", 4 * SIZE, None, SpillPlace(Path(sys.argv[2])))
for number in range(1, 10001):
    buffer.put((b"%d " % number).ljust(1023, b"x") + b"\\n")
    buffer.relieve(stalled=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_both_folders_of_a_killed_process_are_adopted_together(tmp_path: Path, place: SpillPlace) -> None:
    arguments = [str(tmp_path / "spool" / "redis"), str(place.root)]
    killed = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    found = adopted(tmp_path, place)
    assert list(orphans(tmp_path / "spool" / "redis", place)) == []  # nobody else has either
    assert (found.service, found.accepted) == ("shop", 10_000)
    assert taken(found) == list(range(1, 10_001))
    found.release(10_000, 9_000)
    assert len(files(place)) < 3  # the disk is freed as it is committed
    found.close(9_000)
    again = adopted(tmp_path, place)
    rest = taken(again)
    assert rest == list(range(rest[0], 10_001))
    assert 1 < rest[0] <= 9_001
    again.close(10_000)
    assert list(place.root.iterdir()) == list((tmp_path / "spool" / "redis").iterdir()) == []


def test_a_spill_whose_spool_a_reboot_has_cleared_is_adopted_by_itself(
    make: Callable[..., SpoolBuffer], tmp_path: Path, place: SpillPlace
) -> None:
    buffer = make()
    log(buffer, 1, 10_000)
    buffer.close(0)
    (folder,) = (tmp_path / "spool" / "redis").iterdir()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    found = adopted(tmp_path, place)
    numbers = taken(found)
    assert numbers == list(range(1, found.accepted + 1))
    assert found.accepted > 5000
    found.close(found.accepted)
    assert list(place.root.iterdir()) == []


def test_a_spill_is_not_adopted_without_its_spool(
    make: Callable[..., SpoolBuffer], tmp_path: Path, place: SpillPlace
) -> None:
    """Another user of the disk, with a spool of its own elsewhere, would ship the later records' gap as taken."""
    buffer = make()
    log(buffer, 1, 5000)
    buffer.close(0)
    assert list(orphans(tmp_path / "elsewhere", place)) == []
    claimed = claim.Claim.take(files(place)[0].parent)
    assert claimed
    assert list(orphans(tmp_path / "spool" / "redis", place)) == []  # nor the spool without its spill
    claimed.let_go()
    adopted(tmp_path, place).close(5000)


STEPS: list[tuple[Any, str]] = [
    (claim.Claim, "create"),
    (Path, "symlink_to"),
    (spill.Gaps, "__init__"),
    (spill, "_write"),
    (os, "writev"),
    (os, "fsync"),
    (Path, "rename"),
    (Spill, "keep"),
    (spool.Segment, "start"),
    (segment_files.SegmentFiles, "add"),
    (segment_files.SegmentFiles, "seek"),
]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_crash_after_any_step_loses_and_repeats_nothing(
    make: Callable[..., SpoolBuffer],
    tmp_path: Path,
    place: SpillPlace,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    step: str,
    nth: int,
) -> None:
    buffer = make()
    done, original = [], getattr(owner, step)

    def dying(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        done.append(step)
        if len(done) == nth:
            raise Crash
        return result

    log(buffer, 1, 100, relieving=False)
    with monkeypatch.context() as patched, suppress(Crash):
        patched.setattr(owner, step, dying)
        for number in range(101, 10_001):
            assert buffer.put(line(number))
            buffer.relieve(stalled=True)
    assert done
    accepted = buffer.accepted
    claim._after_fork_in_child()  # what the kernel does for a process that dies
    found = adopted(tmp_path, place)
    assert found.accepted == accepted
    assert taken(found) == list(range(1, accepted + 1))
    found.close(accepted)


def test_over_the_cap_the_policy_applies_in_memory(make: Callable[..., SpoolBuffer], tmp_path: Path) -> None:
    buffer = make(at=SpillPlace(tmp_path / "disk" / "redis", max_bytes=5 * SIZE))
    kept = 0
    for number in range(1, 20_001):
        kept += buffer.put(line(number))
        buffer.relieve(stalled=True)
    assert buffer.refused == {"buffer_full": 20_000 - kept}
    assert 7 * PER_SEGMENT < kept < 9.5 * PER_SEGMENT
    assert buffer.dropped == {}


def test_drop_oldest_over_the_cap_drops_the_oldest_from_the_disk(
    make: Callable[..., SpoolBuffer], tmp_path: Path
) -> None:
    buffer = make("drop_oldest", SpillPlace(tmp_path / "disk" / "redis", max_bytes=5 * SIZE))
    log(buffer, 1, 20_000)
    kept = taken(buffer)
    assert kept == list(range(kept[0], 20_001))
    assert len(kept) > 5 * PER_SEGMENT
    assert buffer.dropped == {"drop_oldest": kept[0] - 1}
    assert explain(coded(buffer.gaps(0, kept[0])), 0, kept[0]) == buffer.dropped


def test_a_full_disk_leaves_all_to_the_policy_and_is_tried_again(
    make: Callable[..., SpoolBuffer], place: SpillPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    buffer = make()
    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", full)
        kept = 0
        for number in range(1, 10_001):
            kept += buffer.put(line(number))
            buffer.relieve(stalled=True)
        assert buffer.refused == {"buffer_full": 10_000 - kept}
        assert list(place.root.glob("*/*.segment*")) == []
    assert buffer._spill
    buffer._spill._rests_until = 0.0
    assert buffer.relieve(stalled=True)
    assert taken(buffer) == list(range(1, kept + 1))


@pytest.mark.parametrize("who", ["owner", "adopter"])
def test_what_is_too_old_is_dropped_and_declared(
    make: Callable[..., SpoolBuffer], tmp_path: Path, place: SpillPlace, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = make()
    log(buffer, 1, 10_000)
    source: Source = buffer
    if who == "adopter":
        buffer.close(0)
        source = adopted(tmp_path, place)
    spilled = len(files(place))
    oldest = files(place)[2]
    behind = int(oldest.stem)
    now = spill.time.time()
    monkeypatch.setattr(spill.time, "time", lambda: now + 2 * spill.MAX_AGE)
    held = source._spill.files if isinstance(source, SpoolBuffer) else source._files  # type: ignore[attr-defined]
    for index in range(2, len(held._files)):
        held._files[index] = spill.Found(**{**as_fields(held._files[index]), "written": now + 2 * spill.MAX_AGE})
    source.relieve(stalled=True)
    assert len(files(place)) == spilled - 2
    assert taken(source) == list(range(behind, 10_001))
    assert source.gaps(0, behind) == [Gap(1, behind - 1, "spill_expired")]
    source.close(0)
    monkeypatch.undo()
    again = adopted(tmp_path, place)  # who comes after knows it too
    assert again.gaps(0, behind) == [Gap(1, behind - 1, "spill_expired")]
    again.close(10_000)


def as_fields(found: spill.Found) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__slots__}


def test_what_is_dropped_last_is_declared_by_an_empty_batch(
    make: Callable[..., SpoolBuffer], tmp_path: Path, place: SpillPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = make()
    log(buffer, 1, 10_000)
    buffer.close(0)
    found = adopted(tmp_path, place)
    now = spill.time.time()
    monkeypatch.setattr(spill.time, "time", lambda: now + 2 * spill.MAX_AGE)
    found.relieve(stalled=True)
    batch = found.take(1000)
    assert batch is not None
    assert (batch.first, batch.count, batch.body) == (10_001, 0, b"")
    assert found.take(1000) is None
    assert found.gaps(0, 10_001) == [Gap(1, 10_000, "spill_expired")]
    found.close(10_000)


def test_a_frozen_disk_holds_no_caller(make: Callable[..., SpoolBuffer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when the shipper writes to it nor when it reads."""
    buffer = make()
    thawed, frozen = threading.Event(), threading.Event()

    def freezing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            frozen.set()
            assert thawed.wait(60)
            return original(*args)

        return call

    log(buffer, 1, 3000, relieving=False)
    steps: list[tuple[Any, str, Callable[[], Any]]] = [
        (os, "writev", lambda: buffer.relieve(stalled=True)),
        (segment_files.segment, "read_bytes", lambda: buffer.take(1000)),
    ]
    for owner, name, work in steps:
        thawed.clear()
        frozen.clear()
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, freezing(getattr(owner, name)))
            shipper = threading.Thread(target=work)
            shipper.start()
            assert frozen.wait(20)
            caller = threading.Thread(target=buffer.put, args=(line(buffer.accepted + 1),))
            caller.start()
            caller.join(20)
            assert not caller.is_alive()
            thawed.set()
            shipper.join(20)
    assert buffer.accepted == 3002


def test_a_disk_that_others_can_write_to_is_not_used(make: Callable[..., SpoolBuffer], place: SpillPlace) -> None:
    place.root.mkdir(parents=True)
    place.root.chmod(0o777)
    buffer = make()
    log(buffer, 1, 3000)
    assert not buffer.relieve(stalled=True)
    assert list(place.root.iterdir()) == []


def test_a_spilled_file_that_is_taken_away_by_hand_is_a_gap_and_no_hang(
    make: Callable[..., SpoolBuffer], place: SpillPlace
) -> None:
    buffer = make()
    log(buffer, 1, 10_000)
    first, second, *_ = files(place)
    first.unlink()
    behind = int(second.stem)
    assert taken(buffer) == list(range(behind, 10_001))
    assert buffer.gaps(0, behind) == []


def test_every_user_has_a_disk_folder_of_their_own() -> None:
    assert spill_root("redis://localhost:6390/0") == Path(f"/var/tmp/tocsin-{os.geteuid()}/127.0.0.1_6390_0")
    assert spill_root("redis://localhost:6390/0", "/s") == Path("/s/127.0.0.1_6390_0")


def test_a_folder_that_was_cleaned_away_is_made_again(
    make: Callable[..., SpoolBuffer], place: SpillPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = make()
    log(buffer, 1, 3 * PER_SEGMENT)
    while batch := buffer.take(SIZE):
        last = batch.first + batch.count - 1
    buffer.release(last, last)
    shutil.rmtree(place.root / buffer.producer)
    log(buffer, last + 1, last + 20 * PER_SEGMENT)
    assert buffer.refused == {}
    assert taken(buffer) == list(range(last + 1, last + 20 * PER_SEGMENT + 1))


def test_a_segment_that_callers_drop_while_it_is_to_be_moved_is_left_out(
    make: Callable[..., SpoolBuffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = make("drop_oldest")
    log(buffer, 1, 4 * PER_SEGMENT, relieving=False)
    assert buffer._spill
    real = buffer._spill.make_room

    def slow(size: int, **how: Any) -> bool:
        log(buffer, buffer.accepted + 1, buffer.accepted + 6 * PER_SEGMENT, relieving=False)
        return real(size, **how)

    with monkeypatch.context() as patched:
        patched.setattr(buffer._spill, "make_room", slow)
        buffer.relieve(stalled=True)
    numbers = taken(buffer)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == buffer.accepted
    missing = set(range(1, buffer.accepted + 1)) - set(numbers)
    assert sum(buffer.dropped.values()) >= len(missing)


def test_a_folder_that_cannot_be_read_holds_up_no_other(
    make: Callable[..., SpoolBuffer], redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted((make(), make()), key=lambda each: each.producer)
    for buffer in (first, second):
        log(buffer, 1, 3, relieving=False)
        buffer.close(0)
    real = segment.read_bytes
    seen: list[Path] = []

    def broken(path: Path) -> bytes:
        seen.append(path)
        if path.parent.name == first.producer and seen.count(path) > 1:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path)

    monkeypatch.setattr(segment, "read_bytes", broken)
    assert ship_orphans(redis, tmp_path / "spool" / "redis") == 3
    left = sorted(path.name for path in (tmp_path / "spool" / "redis").iterdir())
    assert left == [first.producer, second.producer]


def test_a_disk_that_fails_does_not_end_the_shipper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = RedisStreamHandler("redis://127.0.0.1:1/0", "shop", spool_dir=tmp_path / "a", spill_dir=tmp_path / "b")
    failed = threading.Event()

    def fail(*_: Any, **__: Any) -> bool:
        failed.set()
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(SpoolBuffer, "relieve", fail)
    handler.handle(logging.makeLogRecord({"msg": "m", "levelno": logging.INFO}))
    assert failed.wait(20)
    failed.clear()
    assert failed.wait(20)  # and once more
    handler.close()
