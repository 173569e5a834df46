"""Whole files, whatever their size and packing: the same events from one process and from many, in their order."""

import gzip
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from rules import analysis, cores
from rules.analysis import Analysis, analyze
from rules.patterns import load_patterns
from rules.scanner import Scanner

SCANNER = Scanner(load_patterns())
ROOT = Path(__file__).parents[2]

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/shop/render.py", line 4, in render
    pixels = bytearray(size)
MemoryError
"""


def text(records: int) -> str:
    return "".join(
        f"2026-02-19 10:30:00,123 ERROR shop.orders order {n} failed\n{TRACEBACK}"
        if n % 50 == 7
        else f"2026-02-19 10:30:00,123 INFO shop.web request {n} done\n"
        for n in range(records)
    )


def seen(found: Analysis) -> list[tuple[str, int, int, str]]:
    return [(event.type, event.line, event.offset, event.message) for event in found.events]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are cut like big ones."""
    monkeypatch.setattr(analysis, "PART", 20_000)


@pytest.mark.usefixtures("parts")
def test_parts_give_what_the_whole_file_gives(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(text(10_000))
    found = analyze([str(path)], SCANNER, processes=3)
    lines = path.read_text().splitlines()
    assert [event.line for event in found.events] == [n + 1 for n, line in enumerate(lines) if "ERROR" in line]
    assert [event.message for event in found.events] == [f"order {n} failed" for n in range(10_000) if n % 50 == 7]
    assert seen(found) == seen(analyze([str(path)], SCANNER, processes=1))
    assert (found.bytes, found.lines, found.problems) == (path.stat().st_size, len(lines), [])
    (group,) = found.groups.values()
    assert (group.count, group.first.line, group.last.line) == (200, found.events[0].line, found.events[-1].line)


@pytest.mark.usefixtures("parts")
def test_of_many_events_the_first_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(text(5_000))
    paths = [str(tmp_path / "a.log"), str(tmp_path / "b.log")]
    all_of_them = analyze(paths, SCANNER, processes=1)
    for limit in (0, 1, 99, 101, 1000):
        found = analyze(paths, SCANNER, limit=limit, processes=2)
        assert seen(found) == seen(all_of_them)[:limit]
        assert found.summary == Counter(OutOfMemory=200)


@pytest.mark.usefixtures("parts")
def test_a_file_of_one_line_is_one_part(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("Connection refused " * 10_000)
    assert seen(analyze([str(path)], SCANNER, processes=2))[0][:3] == ("ConnectionError", 1, 0)
    assert analyze([str(path)], SCANNER, processes=2).summary == Counter(ConnectionError=1)


@pytest.mark.usefixtures("parts")
def test_lines_without_headers_are_cut_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("nothing here\nConnection refused\n" * 5_000)
    found = analyze([str(path)], SCANNER, processes=2)
    assert [event.line for event in found.events] == list(range(2, 10_001, 2))


@pytest.mark.usefixtures("parts")
def test_the_work_of_a_process_that_is_killed_is_done_by_another(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(text(10_000))
    scan = analysis.PartScan(SCANNER, None, analysis.UTC)

    def dies_once(part: analysis.Part, progress: analysis.Progress) -> object:
        if part.start and os.getpid() != mother:
            os.kill(os.getpid(), signal.SIGKILL)
        return scan(part, progress)

    mother = os.getpid()
    every = analysis._parts(str(path))
    found = [tally for tally, _ in cores.in_processes(dies_once, every, 2, lambda _: None)]  # type: ignore[misc]
    assert sum(tally.summary["OutOfMemory"] for tally in found) == 200


def test_beside_other_threads_no_process_is_forked() -> None:
    program = """
import threading, time
threading.Thread(target=time.sleep, args=(1,)).start()
from rules import cores
print(cores.usable())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "1\n"


def test_what_cannot_be_read_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    good, cut, gone = tmp_path / "good.log", tmp_path / "cut.log.gz", tmp_path / "gone.log"
    good.write_text(text(100))
    cut.write_bytes(gzip.compress(text(20_000).encode())[:-2000])
    found = analyze([str(gone), str(cut), str(good)], SCANNER)
    assert [problem.partition(":")[0] for problem in found.problems] == [str(gone), str(cut)]
    assert {event.file for event in found.events} == {str(good), str(cut)}


def test_progress_is_told_in_bytes_of_the_files(tmp_path: Path) -> None:
    path, packed = tmp_path / "app.log", tmp_path / "app.log.gz"
    path.write_text(text(30_000))
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for each in (path, packed):
        told: list[int] = []
        analyze([str(each)], SCANNER, processes=1, progress=told.append)
        assert sum(told) == each.stat().st_size


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    program = """
from rules.analysis import analyze
from rules.patterns import load_patterns
from rules.scanner import Scanner
found = analyze(["-"], Scanner(load_patterns()))
print(found.summary["OutOfMemory"], found.events[0].line)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=text(1000), capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "20 8\n"


def test_names_that_a_log_makes_up_do_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(TRACEBACK.replace("MemoryError", f"shop.Error{n}: x") for n in range(1000)))
    found = analyze([str(path)], SCANNER)
    assert len(found.unknown) == 101
    assert found.unknown["other"] == 900
