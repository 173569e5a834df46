"""What goes, and what stays, of files that are sealed."""

import os
from pathlib import Path

import pytest

from logging_core.storage.retention import Retention, Sealed, expired, retain
from logging_core.storage.rotation import DAY, Rotation, moving

DAYS = [Sealed(day * DAY, Path(f"app.log.{8 - day}"), 10_000_000) for day in range(1, 8)]
NOW = 8 * DAY


@pytest.mark.parametrize(
    ("retention", "live_bytes", "days"),
    [
        (Retention(), 10**12, []),
        (Retention(max_age=3 * DAY), 0, [1, 2, 3, 4]),
        (Retention(max_total_bytes=70_000_000), 0, []),
        (Retention(max_total_bytes=70_000_000), 1, [1]),
        (Retention(max_total_bytes=40_000_000), 5_000_000, [1, 2, 3, 4]),
        (Retention(max_total_bytes=1), 0, [1, 2, 3, 4, 5, 6, 7]),
        (Retention(max_age=3 * DAY, max_total_bytes=20_000_000), 0, [1, 2, 3, 4, 5]),
    ],
)
def test_the_oldest_go(retention: Retention, live_bytes: int, days: list[int]) -> None:
    assert expired(DAYS[::-1], live_bytes, retention, NOW) == [DAYS[day - 1] for day in days]


def make(path: Path, day: float, size: int = 10) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (day * DAY, day * DAY))


def test_a_total_is_that_of_a_folder_and_others_files_are_neither_counted_nor_removed(tmp_path: Path) -> None:
    for name, day in [
        ("app.log", 0),
        ("app.log.1", 5),
        ("app.log.2.gz", 3),
        ("errors.log.1.zst", 2),
        ("errors.log", 7),
    ]:
        make(tmp_path / "shop" / name, day)
    make(tmp_path / "shop/theirs.log.1", 1, 1000)
    make(tmp_path / "shop/app.log.20260219", 1, 1000)
    (tmp_path / "shop/app.log.9").symlink_to("/etc/passwd")
    make(tmp_path / "desk/app.log.1", 1)
    names = ["shop/app.log", "shop/errors.log", "desk/app.log", "gone/app.log"]
    assert retain(tmp_path, names, Retention(max_total_bytes=30), NOW) == 2
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*.log*")}
    assert left == {
        *("shop/app.log", "shop/app.log.1", "shop/errors.log", "desk/app.log.1"),
        *("shop/theirs.log.1", "shop/app.log.20260219", "shop/app.log.9"),
    }


def test_what_is_still_written_to_stays_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path / "app.log.1", 1)
    inode = (tmp_path / "app.log.1").stat().st_ino
    assert retain(tmp_path, ["app.log"], Retention(max_age=1), NOW, {inode}) == 0
    assert retain(tmp_path, ["app.log"], Retention(max_age=1), NOW) == 1


def test_nothing_goes_while_somebody_moves_files(tmp_path: Path) -> None:
    make(tmp_path / "app.log.1", 1)
    with moving(tmp_path) as held:
        assert held
        assert retain(tmp_path, ["app.log"], Retention(max_age=1), NOW) == 0


@pytest.mark.parametrize("bad", [{"max_age": 0}, {"max_total_bytes": -1}])
def test_limits_that_keep_nothing_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is more than 0"):
        Retention(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rotation", "size", "last_written", "now", "due"),
    [
        (Rotation(max_bytes=100), 99, 0, NOW, False),
        (Rotation(max_bytes=100), 100, 0, 0, True),
        (Rotation(max_bytes=0), 10**12, 0, NOW, False),
        (Rotation(max_bytes=0, interval=60), 1, 59, 60, True),
        (Rotation(max_bytes=0, interval=60), 1, 60, 119, False),
        (Rotation(max_bytes=0, interval=60), 0, 0, NOW, False),
        (Rotation(max_bytes=0, interval=60), 1, 120, 60, False),
        (Rotation(max_bytes=0, interval=DAY), 1, NOW - 1, NOW, True),
    ],
)
def test_when_a_file_is_due(rotation: Rotation, size: int, last_written: float, now: float, due: bool) -> None:
    assert rotation.is_due(size, last_written, now) is due


@pytest.mark.parametrize("bad", [{"max_bytes": -1}, {"backups": 0}, {"backups": 1000}, {"interval": 0.5}])
def test_rotation_out_of_bounds_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Rotation(**bad)  # type: ignore[arg-type]
