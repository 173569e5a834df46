"""The journal says what is safe; a torn end of it never does, and a torn end of a file is cut to it."""

import os
from pathlib import Path

import pytest

from logging_core.storage import journal as journal_module
from logging_core.storage.files import FileStore
from logging_core.storage.journal import FORGET_AFTER, NO_FILE, Journal, exclusive

NAME = "shop/app.log"


def journal_path(log_dir: Path) -> Path:
    return log_dir / ".tocsin" / "0.journal"


def write(log_dir: Path, data: bytes, *, safe: bool) -> None:
    """Append as the writer does; `safe`: get as far as the journal."""
    journal = Journal(log_dir, 0)
    files = FileStore(log_dir, journal)
    files.append(NAME, data)
    synced = files.sync()
    if safe:
        journal.record(synced, {"p": (1, 0.0)})
    files.close()
    journal.close()


def test_state_is_the_sum_of_all_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.record({"a": (1, 10, 0)}, {"p": (5, 0.0)})
    journal.record({"a": (1, 30, 8), "b": (2, 7, 9)}, {"p": (9, 1.0)})
    journal.close()
    again = Journal(tmp_path, 0)
    assert again.files == {"a": (1, 30, 8), "b": (2, 7, 9)}
    assert again.position("p") == 9
    assert again.position("never seen") == 0
    again.close()


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_record_is_cut_away(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, 0)
    journal.record({"a": (1, 10, 0)}, {})
    journal.record({"a": (1, 20, 0)}, {})
    journal.close()
    path = journal_path(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    again = Journal(tmp_path, 0)
    assert again.files == {"a": (1, 10, 0)}
    again.record({"a": (1, 15, 0)}, {})
    again.close()
    assert Journal(tmp_path, 0).files == {"a": (1, 15, 0)}


def test_a_long_journal_is_compacted_and_forgets_who_is_long_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_AT", 1000)
    journal = Journal(tmp_path, 0)
    journal.record({"b": (2, 0, 0)}, {"gone": (3, 0.0)}, rotating=["b"])
    for number in range(100):
        journal.record({"a": (1, number, 0)}, {"here": (number, float(FORGET_AFTER))})
    journal.close()
    long = journal_path(tmp_path).stat().st_size
    again = Journal(tmp_path, FORGET_AFTER + 1)
    assert (again.files, again.producers) == (
        {"a": (1, 99, 0), "b": (2, 0, 0)},
        {"here": (99, float(FORGET_AFTER))},
    )
    assert again.rotating == {"b"}
    again.close()
    assert journal_path(tmp_path).stat().st_size < long / 10


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path) as first, exclusive(tmp_path) as second:
        assert (first, second) == (True, False)
    with exclusive(tmp_path) as third:
        assert third


def test_what_the_journal_does_not_know_is_cut_from_the_file(tmp_path: Path) -> None:
    write(tmp_path, b"safe\n", safe=True)
    write(tmp_path, b"not safe", safe=False)
    assert (tmp_path / NAME).read_bytes() == b"safe\nnot safe"
    write(tmp_path, b"next\n", safe=True)
    assert (tmp_path / NAME).read_bytes() == b"safe\nnext\n"


def test_lines_that_were_there_before_us_are_never_cut(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / NAME).write_bytes(b"of another time\n")
    write(tmp_path, b"not safe", safe=False)
    write(tmp_path, b"ours\n", safe=True)
    assert (tmp_path / NAME).read_bytes() == b"of another time\nours\n"


def test_a_file_that_somebody_cut_or_moved_is_gone_on_with_and_never_extended(tmp_path: Path) -> None:
    write(tmp_path, b"one\ntwo\n", safe=True)
    os.truncate(tmp_path / NAME, 4)
    write(tmp_path, b"three\n", safe=True)
    assert (tmp_path / NAME).read_bytes() == b"one\nthree\n"
    (tmp_path / NAME).rename(tmp_path / "shop/app.log.1")
    write(tmp_path, b"four\n", safe=True)
    assert (tmp_path / NAME).read_bytes() == b"four\n"
    assert (tmp_path / "shop/app.log.1").read_bytes() == b"one\nthree\n"


def test_a_rotation_is_done_when_the_name_has_another_inode(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.record({"a": (1, 10, 0), "b": (2, 10, 0)}, {})
    journal.record({}, {}, rotating=["a"])
    journal.record({"b": (3, 0, 0)}, {}, rotating=["b"])
    journal.record({"a": (1, 20, 0)}, {})
    journal.close()
    again = Journal(tmp_path, 0)
    assert again.rotating == {"a", "b"}
    again.record({"a": NO_FILE}, {})
    assert again.rotating == {"b"}
    again.close()
    assert Journal(tmp_path, 0).rotating == {"b"}


def test_what_the_journal_does_not_know_is_cut_where_somebody_has_moved_the_file(tmp_path: Path) -> None:
    write(tmp_path, b"safe\n", safe=True)
    write(tmp_path, b"not safe\n", safe=False)
    (tmp_path / NAME).rename(tmp_path / "shop/app-theirs.log")
    write(tmp_path, b"next\n", safe=True)
    assert (tmp_path / "shop/app-theirs.log").read_bytes() == b"safe\n"
    assert (tmp_path / NAME).read_bytes() == b"next\n"


def test_a_file_that_only_has_the_inode_of_ours_is_never_cut(tmp_path: Path) -> None:
    write(tmp_path, b"safe\n", safe=True)
    theirs = tmp_path / "shop/theirs.gz"
    (tmp_path / NAME).rename(theirs)
    theirs.write_bytes(b"another content\n")  # as if ours had been removed, and its inode used again
    write(tmp_path, b"next\n", safe=True)
    assert theirs.read_bytes() == b"another content\n"


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        write(tmp_path, b"x\n", safe=True)
