"""Globs name what `glob` names, and no link leads them astray."""

import glob
import os
from pathlib import Path

import pytest

from rules.globs import expanded, matches

PATTERNS = [
    "*.log",
    "**/*.log",
    "a/**/*.log",
    "**/b/*.log",
    "**/*",
    "a/*/[cd].log",
    "**/b/**/c.log",
    "a[[]1]/**/*",
    "no/**/x",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.log",
        "a/b/c.log",
        "a/b/d.txt",
        "a/b/b/c.log",
        "b/d.log",
        "a[1]/x/e.log",
        ".hidden/f.log",
        "a/.g.log",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_they_name_what_glob_names(tree: Path, pattern: str) -> None:
    named = {path for path in glob.glob(f"{tree}/{pattern}", recursive=True) if Path(path).is_file()}  # noqa: PTH207
    assert {path for path in expanded(f"{tree}/{pattern}") if Path(path).is_file()} == named
    everything = {str(path) for path in tree.rglob("*") if path.is_file() and "/." not in str(path)}
    assert {path for path in everything if matches(f"{tree}/{pattern}", path)} == named


def test_relative_ones(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert {os.path.abspath(path) for path in expanded("**/c.log")} == set(expanded(f"{tree}/**/c.log"))  # noqa: PTH100
    assert list(expanded("a.log")) == ["a.log"]
    assert matches("**/c.log", "a/b/c.log")
    assert not matches("**/c.log", "../c.log")


def test_links_that_lead_back_are_not_followed(tree: Path) -> None:
    for name in ("x", "y", "z"):
        (tree / "a" / name).symlink_to(tree)
    assert set(expanded(f"{tree}/**/c.log")) == {f"{tree}/a/b/c.log", f"{tree}/a/b/b/c.log"}


def test_a_link_that_is_named_is_followed(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "b")
    assert list(expanded(f"{tree}/link/**/*.log")) == [f"{tree}/link/d.log"]
