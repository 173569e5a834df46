"""`tocsin analyze`: what failed, in files of any kind, for people and for machines."""

import fcntl
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from tests.tocsin.test_cli import tocsin
from tests.waiting import wait_until

QUIET = "2026-02-19 10:29:59,000 - shop.api - INFO - timeout=30 configured\n"
NO_MEMORY = """\
2026-02-19 10:30:00,123 - shop.render - ERROR - page 7 was not rendered
Traceback (most recent call last):
  File "/app/shop/render.py", line 12, in render
    return draw(page)
  File "/app/shop/draw.py", line 30, in draw
    return bytearray(size)
MemoryError
"""
REFUSED = "2026-02-19 10:31:00,000 - shop.stock - ERROR - connection refused by 10.0.0.7\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.log").write_text(QUIET + NO_MEMORY + REFUSED + NO_MEMORY.replace("10:30:00", "10:45:00"))
    return tmp_path


def ask(*arguments, folder, **options):
    return tocsin("analyze", *arguments, folder=folder, **options)


def found(*arguments, folder, code=1):
    done = ask("--json", *arguments, folder=folder)
    assert (done.returncode, done.stderr) == (code, "")
    return json.loads(done.stdout)


# -- for people


def test_the_summary_says_what_how_often_since_when_where_and_what_to_do(folder):
    done = ask("app.log", folder=folder)
    assert (done.returncode, done.stderr) == (1, "")
    head, memory, connection, to_do, told = done.stdout.split("\n\n")
    assert head.startswith("app.log: ")
    assert head.endswith("; 3 failures of 2 types")
    assert memory.splitlines() == [
        "critical OutOfMemory: 2",
        "    first  app.log:2  2026-02-19T10:30:00.123000+00:00 ERROR shop.render: page 7 was not rendered",
        "           MemoryError",
        "             /app/shop/render.py:12 render",
        "             /app/shop/draw.py:30 draw",
        "    last   app.log:10  2026-02-19T10:45:00.123000+00:00 ERROR shop.render: page 7 was not rendered",
        "    to do  reduce_quant, clean_cache, free_gpu_memory",
    ]
    assert connection.splitlines() == [
        "error    ConnectionError: 1",
        "    first  app.log:9  2026-02-19T10:31:00.000000+00:00 ERROR shop.stock: connection refused by 10.0.0.7",
        "    to do  tell whoever can mend it",
    ]
    assert to_do == "to do: reduce_quant, clean_cache, free_gpu_memory"
    assert told == "tell whoever can mend it: ConnectionError\n"


def test_verbose_shows_each_event_of_each_group(folder):
    (folder / "app.log").write_text(NO_MEMORY + NO_MEMORY.replace("page 7", "page 8") + REFUSED)
    done = ask("app.log", "-v", folder=folder)
    assert done.stdout.count("ERROR shop.render: page 7 was not rendered") == 2  # as the first, and by itself
    assert done.stdout.count("ERROR shop.render: page 8 was not rendered") == 2
    assert done.stdout.count("    group ") == 2


def test_nothing_found_says_so(folder):
    (folder / "app.log").write_text(QUIET * 10)
    done = ask("app.log", folder=folder)
    assert done.returncode == 0
    assert done.stdout.endswith("; no failure found\n")


# -- for machines


def test_json_is_one_object_with_the_events_and_what_to_do(folder):
    told = found("app.log", folder=folder)
    assert [event["type"] for event in told["events"]] == ["OutOfMemory", "ConnectionError", "OutOfMemory"]
    event = told["events"][0]
    assert {key: event[key] for key in ("severity", "timestamp", "level", "logger", "message")} == {
        "severity": "critical",
        "timestamp": "2026-02-19T10:30:00.123000+00:00",
        "level": "ERROR",
        "logger": "shop.render",
        "message": "page 7 was not rendered",
    }
    assert (event["file"], event["line"], event["offset"], len(event["group"])) == ("app.log", 2, len(QUIET), 12)
    assert event["exception"] == "MemoryError"
    assert event["stack"].startswith("Traceback (most recent call last):\n  File ")
    assert told["summary"] == {"OutOfMemory": 2, "ConnectionError": 1}
    assert told["actions"] == ["reduce_quant", "clean_cache", "free_gpu_memory"]
    assert told["plan"][0] == {"action": "reduce_quant", "causes": ["OutOfMemory"]}
    assert told["tell"] == ["ConnectionError"]
    assert (told["bytes"], told["lines"]) == ((folder / "app.log").stat().st_size, 16)
    assert told["seconds"] >= 0
    assert (told["files"], told["problems"], told["zone"]) == (["app.log"], [], "UTC")


@pytest.mark.parametrize("limit", [0, 2])
def test_the_limit_is_of_the_events_and_never_of_the_summary(folder, limit):
    told = found("app.log", "--limit", str(limit), folder=folder)
    assert len(told["events"]) == limit
    assert told["summary"] == {"OutOfMemory": 2, "ConnectionError": 1}
    assert told["actions"] == ["reduce_quant", "clean_cache", "free_gpu_memory"]


def test_times_that_do_not_say_their_zone_are_of_the_one_that_is_given(folder):
    told = found("app.log", "--zone", "Europe/Paris", folder=folder)
    assert (told["zone"], told["events"][0]["timestamp"]) == ("Europe/Paris", "2026-02-19T09:30:00.123000+00:00")


# -- what is read


def test_files_folders_archives_and_standard_input(folder):
    (folder / "old").mkdir()
    (folder / "old" / "app.log.1.gz").write_bytes(gzip.compress(REFUSED.encode()))
    told = found("app.log", "old", folder=folder)
    assert told["files"] == ["app.log", "old/app.log.1.gz"]
    assert told["summary"] == {"OutOfMemory": 2, "ConnectionError": 2}
    command = [sys.executable, "-P", "-m", "tocsin", "analyze", "-", "--json"]
    done = subprocess.run(command, cwd=folder, input=NO_MEMORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)["summary"]) == (1, {"OutOfMemory": 1})


@pytest.mark.parametrize("options", [["--mmap"], ["--no-mmap"]])
def test_mapped_or_read_the_same_is_found(folder, options):
    os.utime(folder / "app.log", (0, 0))  # nobody writes to it
    assert found("app.log", *options, folder=folder)["events"] == found("app.log", folder=folder)["events"]


def test_types_of_ones_own_are_found_besides_those_we_know(folder):
    (folder / "till.yml").write_text(
        "types:\n"
        "  - {type: TillStuck, severity: error, priority: 1, patterns: ['\\btill is stuck\\b'],\n"
        "     samples: {match: [the till is stuck], other: [the till is open]}}\n"
    )
    with (folder / "app.log").open("a") as file:
        file.write("2026-02-19 10:50:00,000 - shop - ERROR - the till is stuck\n")
    told = found("app.log", "--patterns", "till.yml", folder=folder)
    assert told["summary"] == {"OutOfMemory": 2, "ConnectionError": 1, "TillStuck": 1}
    assert told["tell"] == ["ConnectionError", "TillStuck"]


def test_no_settings_are_needed(folder):
    options = {"LOG_DIR": "/nowhere", "REDIS_URL": "no url", "TOCSIN_CONFIG": "absent.yml", "LOG_LEVEL": "LOUD"}
    assert ask("app.log", folder=folder, **options).returncode == 1


# -- what is wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.log"], "absent.log: no such file or folder"),
        (["app.log", "--zone", "Atlantis"], "'Atlantis' is no time zone such as Europe/Paris"),
        (["app.log", "--limit", "-1"], "--limit"),
        (["app.log", "--patterns", "app.log"], "app.log"),
        ([], "Missing argument"),
    ],
)
def test_bad_use_is_told_and_exits_2(folder, arguments, said):
    done = ask(*arguments, folder=folder, COLUMNS="300")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pattern_that_only_hyperscan_refuses_is_bad_use_too(folder):
    (folder / "till.yml").write_text(
        "types:\n"
        "  - {type: TillStuck, severity: error, priority: 1, patterns: ['till .{1,150}[Ss]tuck'],\n"
        "     samples: {match: [the till is stuck], other: [the till is open]}}\n"
    )
    done = ask("app.log", "--patterns", "till.yml", folder=folder)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["'till .{1,150}[Ss]tuck' does not compile: Pattern is too large."],
    )


def test_what_cannot_be_read_to_its_end_is_told_and_the_rest_is_read(folder):
    packed = gzip.compress((NO_MEMORY * 1000).encode())
    (folder / "half.gz").write_bytes(packed[: len(packed) // 2])
    done = ask("half.gz", "app.log", "--json", folder=folder)
    told = json.loads(done.stdout)
    assert done.returncode == 3
    assert done.stderr.startswith("half.gz: ")
    assert told["problems"] == done.stderr.splitlines()
    assert {event["file"] for event in told["events"]} >= {"app.log"}


@pytest.mark.parametrize("options", [[], ["--json"], ["--follow"]])
def test_a_full_disk_is_told_in_one_line(folder, options):
    with Path("/dev/full").open("wb") as full, start(folder, "app.log", *options, stdout=full) as process:
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (3, b"standard output: No space left on device\n")


def test_the_exit_codes_are_documented(tmp_path):
    assert "3 something could not be read to its end" in " ".join(
        ask("--help", folder=tmp_path, COLUMNS="300").stdout.split()
    )


# -- what is printed of a log is harmless


def test_secrets_and_terminal_commands_are_taken_out(folder):
    (folder / "app.log").write_text(
        "2026-02-19 10:30:00,123 - shop\x1b[31m - ERROR - out of memory, password=hunter2 \x9b2J \u202e\n"
        "Traceback (most recent call last):\n"
        '  File "/app/\x1b]0;gone\x07.py", line 1, in f\n'
        "    login(password='hunter2')\n"
        "MemoryError: api_key=sk_live_0123456789abcdef0123\n"
    )
    for options in ([], ["-v"], ["--json"]):
        done = ask("app.log", *options, folder=folder)
        assert done.returncode == 1
        assert "OutOfMemory" in done.stdout
        assert "hunter2" not in done.stdout
        assert "sk_live" not in done.stdout
        assert not {"\x1b", "\x9b", "\u202e", "\x07"} & {*done.stdout}


def test_a_name_of_any_bytes_can_be_printed(folder):
    name = os.fsencode(folder) + b"/\xff\x1b[2J.log"
    Path(os.fsdecode(name)).write_text(NO_MEMORY)
    for options in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tocsin", "analyze", *options, name], capture_output=True, timeout=60
        )
        assert done.returncode == 1, done.stderr
        assert b"\xff" not in done.stdout
        assert b"\x1b" not in done.stdout


def test_what_a_terminal_has_no_letters_for_is_printed_all_the_same(folder):
    (folder / "app.log").write_text("ERROR KeyError: 'café'\n")
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    for options, said in (([], b"caf\\xe9"), (["--json"], "café".encode())):
        with start(folder, "app.log", *options, env=ascii_only) as process:
            out, err = process.communicate(timeout=20)
        assert (process.returncode, err, said in out) == (1, b"", True)


# -- how it behaves


def start(folder, *arguments, **options):
    command = [sys.executable, "-P", "-m", "tocsin", "analyze", *arguments]
    return subprocess.Popen(command, cwd=folder, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options))


def test_a_reader_that_goes_away_ends_it_without_a_word(folder):
    (folder / "app.log").write_text(
        "".join(NO_MEMORY.replace("page 7", f"page {'x' * number}") for number in range(500))
    )
    with start(folder, "app.log", "-v") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr.read() == b""


def _unread(pipe):
    """Bytes in a pipe that nobody has read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_ctrl_c_is_quiet(folder):
    with start(folder, "-", stdin=subprocess.PIPE) as process:
        process.stdin.write(NO_MEMORY.encode())
        process.stdin.flush()
        wait_until(lambda: _unread(process.stdin) == 0, what="the command to read its input")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == b""


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_sees_colours_unless_it_does_not_want_any(folder, environment, coloured):
    ours, theirs = pty.openpty()
    with start(folder, "app.log", stdout=theirs, env=os.environ | {"TERM": "xterm"} | environment) as process:
        process.wait(20)
        assert (b"\x1b[1;31mcritical" in os.read(ours, 10_000)) is coloured
    os.close(ours)
    os.close(theirs)


# -- live


def test_followed_over_rotation_each_failure_comes_once_and_then_the_summary(folder):
    with start(folder, "app.log", "--follow", "--json") as process:
        first = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [event["line"] for event in first] == [2, 9, 10]
        with (folder / "app.log").open("a") as file:
            file.write(QUIET + NO_MEMORY.replace("page 7", "page 8")[:200])
            file.flush()
            file.write(NO_MEMORY.replace("page 7", "page 8")[200:])
        event = json.loads(process.stdout.readline())
        assert (event["message"], event["line"]) == ("page 8 was not rendered", 18)
        assert event["exception"] == "MemoryError"
        (folder / "app.log").rename(folder / "app.log.1")
        (folder / "app.log").write_text(REFUSED * 2)
        assert [json.loads(process.stdout.readline())["line"] for _ in range(2)] == [1, 2]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, b"")
    told = json.loads(out)
    assert (told["events"], told["summary"]) == ([], {"OutOfMemory": 3, "ConnectionError": 3})
    assert told["actions"] == ["reduce_quant", "clean_cache", "free_gpu_memory"]


def test_while_a_busy_file_is_followed_nothing_waits_for_it_to_rest(folder):
    with start(folder, "app.log", "--follow") as process:
        assert b"OutOfMemory" in process.stdout.readline()
        with (folder / "app.log").open("a") as file:
            file.write(REFUSED.replace("10.0.0.7", "10.0.0.8"))
            done = threading.Event()

            def chatter():
                while not done.wait(0.05):
                    file.write(QUIET)
                    file.flush()

            thread = threading.Thread(target=chatter)
            thread.start()
            try:
                while b"10.0.0.8" not in process.stdout.readline():
                    pass
            finally:
                done.set()
                thread.join()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert b"; 4 failures of 2 types" in out


def test_a_reader_that_goes_away_ends_it_also_while_nothing_comes(folder):
    with start(folder, "app.log", "-f") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 1
        assert process.stderr.read() == b""


def test_standard_input_is_followed_to_its_end(folder):
    with start(folder, "-", "--follow", "--json", stdin=subprocess.PIPE) as process:
        for line in (1, 2):
            process.stdin.write(REFUSED.encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == line
        out, err = process.communicate(REFUSED.rstrip("\n").encode(), timeout=20)
    event, told = map(json.loads, out.splitlines())
    assert (process.returncode, err, event["line"], told["summary"]) == (1, b"", 3, {"ConnectionError": 3})


def test_what_is_in_a_pipe_when_ctrl_c_comes_is_told_too(folder):
    with start(folder, "-", "--follow", "--json", stdin=subprocess.PIPE) as process:
        process.stdin.write(REFUSED.encode())
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)  # so that both are there when it goes on
        process.stdin.write(REFUSED.encode())
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, b"")
    assert json.loads(out.splitlines()[-1])["summary"] == {"ConnectionError": 2}


def test_an_archive_in_a_pipe_is_not_followed(folder):
    (folder / "app.gz").write_bytes(gzip.compress(REFUSED.encode()))
    with (folder / "app.gz").open("rb") as archive, start(folder, "-", "-f", stdin=archive) as process:
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (3, b"-: is an archive, which does not grow; it is not followed\n")


def test_standard_input_is_followed_alone(folder):
    done = ask("-", "app.log", "--follow", folder=folder, COLUMNS="200")
    assert done.returncode == 2
    assert "- is followed alone" in done.stderr
