"""Ranges follow each other without a gap, and none begins inside a record."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from rules.position import opened
from rules.ranges import Range, cut

RECORD = b"""\
2026-02-19 10:30:00,123 - shop - ERROR - order was not placed
Traceback (most recent call last):
  File "/srv/shop/orders.py", line 42, in place
    response = session.post(url, timeout=5)
ReadTimeout: the request timed out
"""


def ranges_of(path: Path, text: bytes, start: int, length: int, most: int = 64) -> list[Range]:
    path.write_bytes(text)
    with opened(str(path)) as fd:
        return cut(fd, start, length, most)


@pytest.mark.parametrize("length", [len(RECORD), 1000, 4321])
def test_ranges_are_whole_records(tmp_path: Path, length: int) -> None:
    start = 3 * len(RECORD)
    ranges = ranges_of(tmp_path / "a.log", RECORD * 100, start, length, most=1000)
    assert ranges[0].start == start
    assert all(one.end == other.start for one, other in pairwise(ranges))
    assert all(bound % len(RECORD) == 0 for each in ranges for bound in each)
    assert 0 <= len(RECORD) * 100 - ranges[-1].end <= 2 * length + len(RECORD)


def test_text_without_records_is_cut_at_its_lines(tmp_path: Path) -> None:
    text = b"just words\n" * 1000
    ranges = ranges_of(tmp_path / "a.log", text, 0, 1000)
    assert len(ranges) == 9
    assert all(each.start % 11 == 0 for each in ranges)


def test_a_line_that_is_too_long_is_not_cut(tmp_path: Path) -> None:
    text = b"x" * 500_000 + b"\n" + RECORD * 100
    ranges = ranges_of(tmp_path / "a.log", text, 0, 100_000)
    assert all(each.start in (0, 500_001) or each.start > 500_001 for each in ranges)


def test_only_so_many_ranges_at_a_time(tmp_path: Path) -> None:
    assert len(ranges_of(tmp_path / "a.log", RECORD * 100, 0, 1000, most=5)) == 5


def test_a_sparse_file_of_one_line_has_no_ranges(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.touch()
    os.truncate(path, 1 << 30)
    with opened(str(path)) as fd:
        assert cut(fd, 0, 64 << 20) == []
