"""What was dropped on purpose is told apart from what is missing, whatever was declared twice or for nothing."""

from pathlib import Path

import pytest

from logging_core.buffers.gap import Gap, Gaps, coded, decoded, explain


@pytest.mark.parametrize(
    ("declared", "after", "before", "expected"),
    [
        ("", 10, 11, {}),
        ("", 10, 15, {"missing": 4}),
        ("11-14:drop_oldest", 10, 15, {"drop_oldest": 4}),
        ("12-13:drop_oldest", 10, 15, {"drop_oldest": 2, "missing": 2}),
        ("1-100:drop_oldest", 10, 15, {"drop_oldest": 4}),  # the others came
        ("1-10:drop_oldest 15-20:drop_oldest", 10, 15, {"missing": 4}),
        ("11-12:drop_oldest 13-14:spill_expired", 10, 15, {"drop_oldest": 2, "spill_expired": 2}),
        ("13-14:spill_expired 11-13:drop_oldest", 10, 15, {"drop_oldest": 3, "spill_expired": 1}),
        ("11-14:drop_oldest", 20, 15, {}),
        ("11-14:../x 5 14-11:a nonsense", 10, 15, {"missing": 4}),
    ],
)
def test_only_what_did_not_come_is_counted(declared: str, after: int, before: int, expected: dict[str, int]) -> None:
    assert explain(declared, after, before) == expected


def test_declarations_survive_their_process_and_those_that_touch_are_one(tmp_path: Path) -> None:
    path = tmp_path / "gaps"
    gaps = Gaps(path)
    gaps.declare(11, 20, "drop_oldest")
    gaps.declare(21, 30, "drop_oldest")
    gaps.declare(31, 40, "spill_expired")
    assert gaps.dropped == {"drop_oldest": 20, "spill_expired": 10}
    for found in (gaps, Gaps(path)):
        assert found.between(0, 99) == [Gap(11, 30, "drop_oldest"), Gap(31, 40, "spill_expired")]
        assert found.between(30, 99) == [Gap(31, 40, "spill_expired")]
        assert found.between(40, 99) == found.between(0, 11) == []
    gaps.forget(35)
    assert gaps.between(0, 99) == [Gap(31, 40, "spill_expired")]
    gaps.declare(99, 99, "drop_oldest")
    assert Gaps(path).between(0, 999) == [Gap(31, 40, "spill_expired"), Gap(99, 99, "drop_oldest")]
    assert decoded(coded(gaps.between(0, 999))) == gaps.between(0, 999)


def test_a_full_tmpfs_takes_declarations_where_space_was_reserved(tmp_path: Path) -> None:
    gaps = Gaps(tmp_path / "gaps")
    gaps.reserve()
    blocks = (tmp_path / "gaps").stat().st_blocks
    assert blocks > 0
    for first in range(1, 1000, 2):
        gaps.declare(first, first, "drop_oldest")
        gaps.forget(first)
    assert (tmp_path / "gaps").stat().st_blocks == blocks


def test_a_disk_that_refuses_costs_no_count(tmp_path: Path) -> None:
    gaps = Gaps(tmp_path / "nowhere" / "gaps")
    gaps.declare(1, 5, "drop_oldest")
    assert gaps.dropped == {"drop_oldest": 5}
    assert gaps.between(0, 9) == [Gap(1, 5, "drop_oldest")]
