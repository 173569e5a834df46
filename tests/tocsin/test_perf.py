"""`tocsin perf`: how fast, how right, and whether that is what was asked for."""

import json

import pytest

from rules.event import Event
from tests.tocsin.test_cli import tocsin
from tocsin.planting.accuracy import accuracy
from tocsin.planting.blocks import Planted


def event(type_, offset):
    return Event(type_, "error", "", "ERROR", "", "", "a.log", 1, offset, "0" * 12)


def test_an_event_is_right_where_its_type_was_planted_and_once():
    planted = [Planted("KeyError", 0, 1, "line"), Planted("KeyError", 50, 2, "line"), Planted("Timeout", 90, 3, "line")]
    told = accuracy(
        planted, [event("KeyError", 0), event("KeyError", 0), event("ValueError", 50), event("Timeout", 90)]
    )
    assert told.all == (3, 4, 2)
    assert {type_: (share.recall, share.precision) for type_, share in told.types.items()} == {
        "KeyError": (0.5, 0.5),
        "Timeout": (1.0, 1.0),
        "ValueError": (1.0, 0.0),
    }
    assert [each.offset for each in told.missed] == [50]
    assert [(each.type, each.offset) for each in told.wrong] == [("KeyError", 0), ("ValueError", 50)]


@pytest.mark.parametrize("layout", ["mixed", "docker", "cri", "compose", "json", "dense"])
def test_everything_that_was_planted_is_found_and_nothing_else(tmp_path, layout):
    done = tocsin("perf", "--size", "4", "--layout", layout, "--json", folder=tmp_path, TMPDIR=str(tmp_path))
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["reached"] else 1)
    assert (told["missed"], told["wrong"]) == ([], [])
    assert (told["recall"], told["precision"]) == (1.0, 1.0)
    assert told["found"] > 20
    assert len(told["types"]) == (20 if layout != "dense" else 18)
    assert told["bytes"] == pytest.approx(4_000_000, rel=0.01)
    assert told["seconds_per_gigabyte"] == pytest.approx(told["seconds"] * 250, rel=0.02)
    assert told["reached"] == (told["seconds_per_gigabyte"] <= told["within"] == 3)
    assert 10e6 < told["peak_memory"] < 300e6
    assert list(tmp_path.iterdir()) == []


def test_people_read_speed_memory_accuracy_and_the_answer(tmp_path):
    done = tocsin("perf", "--size", "1", "-v", "--no-mmap", folder=tmp_path)
    assert done.stderr == ""
    assert "MB/s" in done.stdout
    assert "peak memory" in done.stdout
    assert f"1 GB within 3 s: {'yes' if done.returncode == 0 else 'no'}, in " in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith("100.00%")][-1] == "all"


def test_there_must_be_room_for_the_log(tmp_path):
    done = tocsin("perf", "--size", "900000000", folder=tmp_path, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith("are free\n")
    assert list(tmp_path.iterdir()) == []
