"""A log with planted failures, and the manifest that says where they are."""

import json
import re
import resource
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.tocsin.test_cli import tocsin
from tests.waiting import wait_until
from tocsin.planting.failures import failures
from tocsin.planting.log import manifest_of, read_manifest, write_log

MB = 1_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.log"


def test_the_manifest_tells_where_each_failure_begins(path):
    written = write_log(path, 3 * MB, errors=0.02)
    text = path.read_bytes()
    assert len(text) == written.bytes
    assert text.count(b"\n") == written.lines
    planted = list(read_manifest(path))
    assert len(planted) == written.failures == pytest.approx(0.02 * written.records, rel=0.01)
    assert all(text[: each.offset].count(b"\n") == each.line - 1 for each in planted)
    assert all(each.offset == 0 or text[each.offset - 1 : each.offset] == b"\n" for each in planted)
    begins = [text[each.offset : each.offset + 300] for each in planted if not each.how.startswith("server")]
    assert all(re.search(rb"ERROR|error|<11>1", begin) for begin in begins)


def test_all_types_are_planted_in_all_their_ways(path):
    write_log(path, 5 * MB, errors=0.02)
    types = Counter(each.type for each in read_manifest(path))
    assert set(types) == {each.type for each in failures()}
    assert len(types) == 20
    ways = Counter(each.how for each in read_manifest(path))
    assert set(ways) == {
        "line",
        "traceback",
        "note",
        "chained",
        "group",
        "server",
        "json/line",
        "json/traceback",
        "json/chained",
    }


def test_the_first_failures_of_a_small_log_are_of_different_types(path):
    write_log(path, 100_000, errors=0.05)
    assert len({each.type for each in list(read_manifest(path))[:20]}) == 20


@pytest.mark.parametrize("size", [0, 1, 4_711, 1 << 20, 2_500_001])
def test_the_size_is_met_to_within_a_record(path, size):
    written = write_log(path, size)
    assert size - 3_000 < path.stat().st_size == written.bytes <= size
    assert path.read_bytes()[-1:] in (b"", b"\n")


def test_the_same_seed_writes_the_same_log(path, tmp_path):
    other = tmp_path / "other.log"
    for seed, is_same in ((1, True), (2, False)):
        write_log(path, MB, seed=1)
        write_log(other, MB, seed=seed)
        assert (path.read_bytes() == other.read_bytes()) is is_same


def test_messages_and_times_vary_from_block_to_block(path):
    write_log(path, 40 * MB, kind="dense")
    lines = [line for line in path.read_text().splitlines() if line.startswith("2026")]
    assert len(set(lines)) > 0.99 * len(lines)
    assert lines[0][:16] == "2026-02-19 00:00"
    assert lines == sorted(lines, key=lambda line: line[:23])


def test_in_a_dense_log_one_record_in_twenty_is_a_traceback_of_eight_lines(path):
    written = write_log(path, MB, kind="dense")
    assert written.failures == pytest.approx(written.records / 20, abs=1)
    assert written.lines == written.records + 8 * written.failures


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("docker", rb'{"log":"'), ("cri", rb"2026-02-19T00:0\d:\d\d\.\d{9}Z stderr F "), ("compose", rb"web-1  \| ")],
)
def test_out_of_containers_each_line_has_what_they_put_around_it(path, kind, prefix):
    write_log(path, MB, kind=kind, errors=0.02)
    assert all(re.match(prefix, line) for line in path.read_bytes().splitlines())


def test_a_log_of_our_own_lines_is_json(path):
    write_log(path, MB, kind="json", errors=0.1)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(record["timestamp"].startswith("2026-02-19T") for record in records)
    assert {record["error"]["type"] for record in records if "error" in record} > {"KeyError", "MemoryError"}


# -- the command


def test_the_log_and_its_manifest_are_told(tmp_path):
    done = tocsin("genlog", "--size", "2", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["file"], told["manifest"]) == ("genlog-2mb.log", "genlog-2mb.log.manifest.jsonl")
    assert (tmp_path / told["file"]).stat().st_size == told["bytes"]
    assert len((tmp_path / told["manifest"]).read_text().splitlines()) == told["failures"]


def test_what_is_there_is_replaced_only_where_that_is_asked_for(tmp_path):
    (tmp_path / "a.log").write_text("mine\n")
    arguments = ("genlog", "--size", "0.1", "--out", "a.log")
    done = tocsin(*arguments, folder=tmp_path, COLUMNS="200")
    assert done.returncode == 2
    assert "a.log: there already; --force replaces it" in done.stderr
    assert (tmp_path / "a.log").read_text() == "mine\n"
    assert tocsin(*arguments, "--force", folder=tmp_path).returncode == 0
    assert (tmp_path / "a.log").stat().st_size > 90_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--size", "900000000"], "are free\n"),
        (["--out", "absent/a.log"], "absent/a.log: No such file or directory; nothing was left behind\n"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(tmp_path, arguments, said):
    done = tocsin("genlog", *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["genlog", "perf"])
@pytest.mark.parametrize("size", ["inf", "nan", "0", "-1", "1e300"])
def test_a_size_that_is_none_is_bad_use(tmp_path, command, size):
    done = tocsin(command, "--size", size, folder=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert list(tmp_path.iterdir()) == []


def start(folder, **options):
    command = [sys.executable, "-P", "-m", "tocsin", "genlog", "--size", "2000"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, **options)


def test_a_disk_that_takes_no_more_leaves_no_half_file(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MB, 3 * MB))

    with start(tmp_path, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "genlog-2000mb.log: File too large; nothing was left behind\n"
    assert list(tmp_path.iterdir()) == []


def test_neither_does_ctrl_c(tmp_path):
    with start(tmp_path) as process:
        wait_until(lambda: list(tmp_path.iterdir()), what="the file")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []
    assert not manifest_of(tmp_path / "genlog-2000mb.log").exists()
