"""`tocsin logs` as its user meets it: real processes, real files, the real stack."""

import gzip
import json
import logging
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import zstandard

from logging_core import RedisStreamHandler
from logging_core.streams.stream import append
from rules.log_query import Found
from tests.tocsin.test_cli import tocsin
from tests.waiting import wait_until
from tocsin.log_counts import TIME, Counts

BEGIN = datetime(2026, 2, 19, tzinfo=UTC)
PRODUCER = "0" * 31 + "7"


def line(number: int, **fields: object) -> bytes:
    moment = (BEGIN + timedelta(minutes=number)).isoformat(timespec="microseconds")
    level = "ERROR" if number % 10 == 0 else "INFO"
    known = {"timestamp": moment, "level": level, "logger": "shop.api", "service": "shop", "message": f"order {number}"}
    return orjson.dumps(known | {"status_code": 200 + number % 2 * 300, "n": number} | fields) + b"\n"


def lines(numbers):
    return b"".join(map(line, numbers))


@pytest.fixture
def folder(tmp_path):
    """100 records of the service `shop` in three generations."""
    shop = tmp_path / "logs" / "shop"
    shop.mkdir(parents=True)
    (shop / "app.log.2.zst").write_bytes(zstandard.ZstdCompressor().compress(lines(range(30))))
    (shop / "app.log.1.gz").write_bytes(gzip.compress(lines(range(30, 60))))
    (shop / "app.log").write_bytes(lines(range(60, 100)))
    return tmp_path


def ask(*arguments, **options):
    return tocsin("logs", *arguments, **({"LOG_DIR": "logs", "REDIS_URL": "redis://127.0.0.1:1/0"} | options))


def numbers(out):
    return [json.loads(each)["n"] for each in out.splitlines()]


def test_all_that_is_stored_is_shown_in_order(folder):
    done = ask(folder=folder)
    shown = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(shown)) == (0, "", 100)
    assert shown[61] == "2026-02-19T01:01:00.000Z INFO     shop shop.api: order 61  status_code=500 n=61"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--level", "error"], range(0, 100, 10)),
        (["--since", "2026-02-19T01:30"], range(90, 100)),
        (["--until", "2026-02-19T00:02Z"], range(3)),
        (["--where", "status_code>=500", "--where", "n<6"], [1, 3, 5]),
        (["--grep", "order 7"], [7, *range(70, 80)]),
        (["--limit", "2"], [0, 1]),
        (["--tail", "2"], [98, 99]),
        (["--logger", "shop", "--service", "shop", "--limit", "1"], [0]),
        (["logs/shop/app.log.1.gz", "--limit", "1"], [30]),
        (["logs", "--limit", "1"], [0]),
    ],
)
def test_what_is_asked_for_is_printed_as_it_is_stored(folder, arguments, wanted):
    done = ask("--json", *arguments, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.encode() == lines(wanted)


def test_counts_by_fields_and_over_time(folder):
    done = ask("--count-by", "level,service", folder=folder)
    assert (done.returncode, done.stdout) == (0, "90  INFO  shop\n10  ERROR  shop\n")
    done = ask("--count-by", "status_code,absent", "--json", folder=folder)
    assert json.loads(done.stdout) == {"200": {"-": 50}, "500": {"-": 50}}
    done = ask("--count-by", "time", "--json", folder=folder)
    counted = json.loads(done.stdout)
    assert (sum(counted.values()), counted["2026-02-19T00:05Z"]) == (100, 5)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--trace", "absent"], 1), (["--trace", "absent", "--count-by", "level"], 1), (["--where", "n=99"], 0)],
)
def test_the_exit_code_says_whether_there_was_any(folder, arguments, code):
    assert ask(*arguments, folder=folder).returncode == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "soon"], "'soon' is no moment"),
        (["--level", "LOUD"], "'LOUD' is no level; known are TRACE"),
        (["--where", "status_code"], "is no condition"),
        (["--where", "n~("], "is no regular expression"),
        (["--where", "n>x"], "compares numbers"),
        (["--count-by", "a,,b"], "is no list of fields"),
        (["--limit", "1", "--tail", "1"], "does not go together with --tail"),
        (["--count-by", "level", "-f"], "does not go together with --follow"),
        (["absent.log"], "absent.log: No such file or directory"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_bad_use_is_told_and_exits_2(folder, arguments, said):
    done = ask(*arguments, folder=folder, COLUMNS="300")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_log_dir_is_named(tmp_path):
    done = ask(folder=tmp_path, LOG_DIR="nowhere")
    assert (done.returncode, done.stderr) == (2, "nowhere: No such file or directory (LOG_DIR)\n")


def test_a_mistake_in_the_settings_is_bad_use(tmp_path):
    done = ask(folder=tmp_path, TOCSIN__REDIS__PORT="many")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("TOCSIN__REDIS__PORT: ")


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(folder):
    (folder / "logs/shop/app.log.1.gz").write_bytes(gzip.compress(lines(range(30, 60)))[:-9])
    done = ask("--json", folder=folder)
    assert done.returncode == 2
    assert done.stderr == "logs/shop/app.log.1.gz: damaged: it ends too early\n"
    assert {*range(30), *range(60, 100)} <= set(numbers(done.stdout))


def test_lines_that_are_no_records_are_counted_and_not_printed(folder):
    with (folder / "logs/shop/app.log").open("ab") as file:
        file.write(b'Traceback (most recent call last):\n{"torn": tr')
    done = ask("--json", folder=folder)
    assert (done.returncode, done.stdout.encode()) == (0, lines(range(100)))
    assert done.stderr == "2 lines are no JSON records and were left out (logs/shop/app.log: 2)\n"


def start(folder, *arguments, stdout=subprocess.PIPE, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "REDIS_URL"))}
    command = [sys.executable, "-P", "-m", "tocsin", "logs", *arguments]
    inherited |= {"LOG_DIR": "logs", "REDIS_URL": "redis://127.0.0.1:1/0"} | environment
    return subprocess.Popen(command, cwd=folder, env=inherited, stdout=stdout, stderr=subprocess.PIPE)


def ended(process, code):
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.decode()) == (code, err.decode())
    return err.decode()


def test_a_reader_that_goes_away_ends_it_without_a_word(folder):
    (folder / "logs/shop/app.log").write_bytes(lines(range(60, 20_000)))
    with start(folder, "--json") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_also_while_nothing_comes(folder):
    with start(folder, "-f", "--tail", "1", "logs") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_ctrl_c_is_quiet(folder):
    with start(folder, "-f", "logs") as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert ended(process, 130) == ""


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_sees_colours_unless_it_does_not_want_any(folder, environment, coloured):
    ours, theirs = pty.openpty()
    with start(folder, "--limit", "1", stdout=theirs, TERM="xterm", **environment) as process:
        process.wait(20)
        assert (b"\x1b[31mERROR" in os.read(ours, 1000)) is coloured
    os.close(ours)
    os.close(theirs)


def test_following_files_through_rotation_each_record_comes_once_and_without_redis(folder):
    shop = folder / "logs/shop"
    with start(folder, "--json", "--follow", "--limit", "160") as process:
        first = [process.stdout.readline() for _ in range(100)]
        for begin in range(100, 140, 10):
            with (shop / "app.log").open("ab") as file:
                file.write(lines(range(begin, begin + 10)))
            (shop / "app.log").rename(shop / f"app.log.{begin}")
            (shop / f"app.log.{begin}").rename(shop / "app.log.1")
            (shop / "app.log").touch()
            assert [process.stdout.readline() for _ in range(10)] == lines(range(begin, begin + 10)).splitlines(True)
        (folder / "logs/mail").mkdir()
        (folder / "logs/mail/app.log").write_bytes(lines(range(140, 160)))
        out, err = process.communicate(timeout=20)
    assert numbers(b"".join(first) + out) == [*range(100), *range(140, 160)]
    assert err == b"Redis at redis://127.0.0.1:1/0 does not answer: only the files are followed\n"


def test_what_waits_in_the_stream_is_shown_and_not_again_when_it_is_written(folder, redis, redis_server):
    with start(folder, "--json", "-f", "--tail", "1", "--limit", "5", REDIS_URL=redis_server) as process:
        assert numbers(process.stdout.readline()) == [99]
        for number in (100, 101):  # no writer is at work
            append(redis, PRODUCER, "shop", first=number - 99, count=1, body=line(number))
            assert numbers(process.stdout.readline()) == [number]
        with (folder / "logs/shop/app.log").open("ab") as file:
            file.write(lines([100, 101, 102]))
        assert numbers(process.stdout.readline()) == [102]
        append(redis, PRODUCER, "shop", first=3, count=2, body=lines([102, 103]))
        assert numbers(process.stdout.read()) == [103]
        assert ended(process, 0) == ""


@pytest.mark.stack
def test_on_the_running_stack_every_record_comes_once_in_order(stack):
    handler = RedisStreamHandler(stack.redis_url, service="followed")
    logger = logging.getLogger("followed.api")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        for number in range(50):
            logger.info("before", extra={"n": number})
        assert handler.flush(timeout=20, written=True)
        process = stack.start("logs", "--json", "--service", "followed", "-f", "--limit", "2050")
        first = [process.stdout.readline() for _ in range(50)]
        for number in range(50, 2050):
            logger.info("after", extra={"n": number})
        out, err = process.communicate(timeout=40)
        assert numbers("".join(first) + out) == list(range(2050))
        assert (process.returncode, err) == (0, "")
        assert handler.flush(timeout=20, written=True)
        code, out, _ = stack.run("logs", "--service", "followed", "--count-by", "message", "--json")
        assert (code, json.loads(out)) == (0, {"before": 50, "after": 2000})
    finally:
        logger.removeHandler(handler)
        handler.close()
    wait_until(lambda: stack.run("logs", "--service", "followed", "--tail", "1")[0] == 0, what="the last one")


def test_years_before_1000_are_told_in_four_digits():
    counts = Counts([TIME])
    counts.add(Found("0007-02-19T10:30:00.000000", b"", {}))
    assert [line.split() for line in counts.lines()] == [["1", "0007-02-19T10:30Z"]]
