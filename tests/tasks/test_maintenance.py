"""The writer rotates at its commits, and the maintenance task compresses; each record stays where it can be found."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from logging_core.storage.rotation import generations
from logging_core.streams.account import account
from logging_core.streams.stream import append
from tasks import maintenance, settings, writer
from tasks.settings import FileSettings
from tests.tasks.writing import run_writer

LONG_AGO = 1_000_000_000  #: Unix seconds


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[FileSettings], None]]:
    def configure(files: FileSettings) -> None:
        changed = settings.load().model_copy(update={"log_dir": tmp_path, "files": files})
        monkeypatch.setattr(settings, "load", lambda: changed)

    writer._bounds.cache_clear()
    yield configure
    writer._bounds.cache_clear()


def write(redis: Redis, first: int, count: int) -> None:
    """Send records, and write them as a new holder of the shard."""
    lines = [json.dumps({"level": "ERROR" if n % 10 == 0 else "INFO", "n": n}) for n in range(first, first + count)]
    body = "".join(line + "\n" for line in lines).encode()
    append(redis, "p" * 32, "shop", first=first, count=count, body=body, report={"accepted": first + count - 1})
    run_writer(redis, settings.load())


def numbers(path: Path) -> list[int]:
    sealed = [each for _, files in sorted(generations(path).items(), reverse=True) for each in files]
    found = []
    for each in [*sealed, path]:
        if each.exists():
            text = gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes()
            found += [json.loads(line)["n"] for line in text.splitlines()]
    return found


def age(folder: Path) -> None:
    for each in folder.iterdir():
        os.utime(each, (LONG_AGO, LONG_AGO))


def test_records_and_errors_are_rotated_and_compressed(
    redis: Redis, tmp_path: Path, configure: Callable[[FileSettings], None]
) -> None:
    configure(FileSettings(max_bytes=1000))
    for first in range(1, 401, 50):
        write(redis, first, 50)
        age(tmp_path / "shop")
        maintenance.compress()
    assert {each.name for each in (tmp_path / "shop").glob("app.*")} == {f"app.log.{n}.gz" for n in range(1, 8)}
    assert numbers(tmp_path / "shop/app.log") == list(range(51, 401))  # of eight, seven are kept
    assert numbers(tmp_path / "shop/errors.log") == list(range(10, 401, 10))


def test_a_file_that_was_just_written_to_stays_plain_and_so_do_all_where_that_is_wanted(
    redis: Redis, tmp_path: Path, configure: Callable[[FileSettings], None]
) -> None:
    configure(FileSettings(max_bytes=1000))
    write(redis, 1, 50)
    maintenance.compress()
    assert (tmp_path / "shop/app.log.1").exists()
    age(tmp_path / "shop")
    configure(FileSettings(compress="none"))
    maintenance.compress()
    assert (tmp_path / "shop/app.log.1").exists()


@pytest.mark.parametrize("renames", [1, 2, 3])
def test_a_writer_that_dies_in_a_rotation_loses_and_repeats_nothing(
    redis: Redis,
    tmp_path: Path,
    configure: Callable[[FileSettings], None],
    monkeypatch: pytest.MonkeyPatch,
    renames: int,
) -> None:
    configure(FileSettings(max_bytes=1000, backups=50))
    write(redis, 1, 50)
    write(redis, 51, 50)
    rename, done = Path.rename, []

    def dying(self: Path, target: Path) -> Path:
        done.append(rename(self, target))
        if len(done) == renames:
            raise Crash
        return target

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Path, "rename", dying)
        write(redis, 101, 50)
    write(redis, 151, 50)
    assert numbers(tmp_path / "shop/app.log") == list(range(1, 201))
    assert numbers(tmp_path / "shop/errors.log") == list(range(10, 201, 10))
    assert account(redis)[:3] == (200, 200, 0)


def test_sealed_files_go_when_a_services_folder_holds_too_much(
    redis: Redis, tmp_path: Path, configure: Callable[[FileSettings], None]
) -> None:
    configure(FileSettings(max_bytes=1000, compress="none", max_total_bytes=6000))
    for first in range(1, 401, 50):
        write(redis, first, 50)
    maintenance.remove()
    assert sum(each.stat().st_size for each in (tmp_path / "shop").iterdir()) <= 6000
    found = numbers(tmp_path / "shop/app.log")
    assert 0 < len(found) < 350
    assert found == list(range(401 - len(found), 401))
    configure(FileSettings(max_age=60))
    age(tmp_path / "shop")
    maintenance.remove()
    assert not generations(tmp_path / "shop/app.log")


def test_a_day_that_is_over_is_sealed(redis: Redis, tmp_path: Path, configure: Callable[[FileSettings], None]) -> None:
    configure(FileSettings(daily=True, compress="zstd"))
    write(redis, 1, 50)
    age(tmp_path / "shop")
    write(redis, 51, 10)
    maintenance.compress()
    assert {each.name for each in (tmp_path / "shop").glob("app.*")} == {"app.log", "app.log.1.zst"}
