"""Which files paths stand for."""

import os
from pathlib import Path

import pytest

from rules.reading.paths import expand
from rules.reading.source import SourceError


def unexpected(error: SourceError) -> None:
    raise AssertionError(error)


def test_a_folder_stands_for_the_files_below_it(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "web/app.log", ".hidden", ".git/config"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.log").symlink_to(tmp_path / "a.log")
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    found = expand([str(tmp_path)], unexpected)
    assert [os.path.relpath(path, tmp_path) for path in found] == ["a.log", "b.log", "web/app.log"]


def test_what_is_named_is_taken_as_it_is_and_each_file_once(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    (tmp_path / "link").symlink_to(".hidden")
    paths = [str(tmp_path / name) for name in ("link", ".hidden", "missing")]
    assert expand([*paths, "-", str(tmp_path)], unexpected) == [paths[0], paths[2], "-"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_cannot_be_listed_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    told: list[SourceError] = []
    assert expand([str(tmp_path)], told.append) == []
    assert str(tmp_path / "closed") in str(told[0])
