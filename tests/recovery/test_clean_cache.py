"""`clean_cache` empties its folder, oldest files first, and touches nothing else on the machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recovery.actions.clean_cache import CleanCache
from recovery.errors import UnsafeFolderError
from recovery.executor import attempt
from recovery.model import Outcome

NOW = 1_771_497_000.0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def put(path: Path, size: int = 100, age: float = 3600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age, NOW - age))
    return path


def cleaner(folder: Path, max_bytes: int = 0, min_age: float = 60) -> CleanCache:
    return CleanCache("test", folder, max_bytes, min_age)


def test_the_oldest_files_go_until_the_folder_is_within_its_limit(cache: Path) -> None:
    oldest, old, newest = (put(cache / name, age=age) for name, age in [("b", 300), ("sub/a", 200), ("c", 100)])
    assert cleaner(cache, max_bytes=250).act(NOW) == "removed 1 files of 100 bytes; 0 could not be removed"
    assert (oldest.exists(), old.exists(), newest.exists()) == (False, True, True)


def test_it_measures_the_files_of_the_folder_and_the_free_space(cache: Path) -> None:
    put(cache / "a", size=300)
    put(cache / "sub" / "b", size=30)
    action = cleaner(cache, max_bytes=330)
    measured = action.measure()
    assert measured.used == 330
    assert measured.free > 0
    assert action.is_healthy(measured)
    assert not cleaner(cache, max_bytes=329).is_healthy(measured)


def test_young_files_and_folders_stay(cache: Path) -> None:
    young = put(cache / "sub" / "young", age=59)
    old = put(cache / "empty" / "old", age=60)
    cleaner(cache).act(NOW)
    assert young.exists()
    assert not old.exists()
    assert old.parent.is_dir()


def test_links_inside_lead_nowhere(cache: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "precious")
    (cache / "folder").symlink_to(outside.parent)
    (cache / "file").symlink_to(outside)
    (cache / "up").symlink_to("..")
    action = cleaner(cache)
    assert action.measure().used == 0
    action.act(NOW)
    assert outside.exists()
    assert {path.name for path in cache.iterdir()} == {"folder", "file", "up"}


def test_what_is_no_regular_file_stays(cache: Path) -> None:
    os.mkfifo(cache / "pipe")
    cleaner(cache).act(NOW)
    assert (cache / "pipe").exists()


def test_a_folder_exchanged_for_a_link_meanwhile_is_not_entered(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = put(cache / "sub" / "file"), put(tmp_path / "outside" / "file")
    os.utime(outside, (inside.stat().st_mtime,) * 2)
    monkeypatch.setattr("recovery.actions.clean_cache.sorted", lambda files: exchange(list(files)), raising=False)

    def exchange(files: list[object]) -> list[object]:
        inside.parent.rename(tmp_path / "moved")
        (cache / "sub").symlink_to(outside.parent)
        return files

    assert cleaner(cache).act(NOW) == "removed 0 files of 0 bytes; 1 could not be removed"
    assert outside.exists()


def test_a_folder_that_is_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    put(cache / "a")
    (tmp_path / "link").symlink_to(cache)
    with pytest.raises(UnsafeFolderError, match="reached through a link"):
        cleaner(tmp_path / "link").act(NOW)
    assert (cache / "a").exists()


def test_a_folder_below_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    put(cache / "sub" / "a")
    (tmp_path / "link").symlink_to(cache)
    with pytest.raises(UnsafeFolderError, match="reached through a link"):
        cleaner(tmp_path / "link" / "sub").act(NOW)
    assert (cache / "sub" / "a").exists()


@pytest.mark.parametrize("folder", ["/", "/tmp", "/tmp/..", "/var/cache/../.."])
def test_a_folder_too_near_the_root_is_refused(folder: str) -> None:
    with pytest.raises(UnsafeFolderError, match="is too near the root"):
        cleaner(Path(folder)).measure()


def test_a_home_is_refused_and_what_is_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "users" / "me"
    put(home / "a")
    monkeypatch.setenv("HOME", str(home))
    for folder in (home, home.parent):
        with pytest.raises(UnsafeFolderError, match="holds a home"):
            cleaner(folder).act(NOW)
    (home / ".cache").mkdir()
    assert cleaner(home / ".cache").measure().used == 0


def test_a_file_or_nothing_at_all_is_refused(cache: Path) -> None:
    with pytest.raises(UnsafeFolderError, match="is not a folder"):
        cleaner(put(cache / "file")).measure()
    with pytest.raises(FileNotFoundError):
        cleaner(cache / "missing").measure()


@contextmanager
def ordinary_user() -> Iterator[None]:
    """No rights beyond those that the modes give, also where the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_below_one_that_cannot_be_listed_is_cleaned(open_folder: Path) -> None:
    parent = open_folder / "parent"
    put(parent / "cache" / "a")
    (parent / "cache").chmod(0o777)
    parent.chmod(0o311)
    with ordinary_user():
        assert cleaner(parent / "cache").act(NOW) == "removed 1 files of 100 bytes; 0 could not be removed"
    parent.chmod(0o755)


def test_a_folder_that_cannot_be_read_is_a_failure_and_not_empty(open_folder: Path) -> None:
    private = put(open_folder / "private" / "big", size=10_000).parent
    private.chmod(0o000)
    action = cleaner(open_folder, max_bytes=1000)
    with ordinary_user():
        result = attempt(action, NOW)
        with pytest.raises(PermissionError, match="'private'"):
            action.act(NOW)
    assert result.outcome is Outcome.FAILED
    assert result.detail == "PermissionError: [Errno 13] Permission denied: 'private'"
    private.chmod(0o755)


def test_no_descriptor_is_left_open(cache: Path) -> None:
    put(cache / "sub" / "deeper" / "a")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        cleaner(cache, max_bytes=50).act(NOW)
        put(cache / "sub" / "deeper" / "a")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
