"""The queue between the thread that logs and a sink: bounded, counted, never in the way."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from logging_core import background
from logging_core.background import BackgroundHandler, Line
from logging_core.record import Encoder
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


class ListSink:
    """Keeps lines; it can be made to fail, or to take its time."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.failures = 0
        self.open = threading.Event()
        self.open.set()
        self.is_closed = False

    def write(self, lines: Sequence[Line]) -> None:
        self.open.wait(10)
        if self.error:
            self.failures += 1
            raise self.error
        self.batches.append(len(lines))
        self.lines += lines

    def close(self) -> None:
        self.is_closed = True

    @property
    def bodies(self) -> list[bytes]:
        return [line.body for line in self.lines]


Make = Callable[..., BackgroundHandler]


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


@pytest.fixture
def make(sink: ListSink) -> Iterator[Make]:
    made = []

    def make(**options: object) -> BackgroundHandler:
        handler = BackgroundHandler(sink, Encoder("shop"), **options)  # type: ignore[arg-type]
        made.append(handler)
        return handler

    yield make
    sink.error = None
    sink.open.set()
    for handler in made:
        handler.close()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.background")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


def test_lines_reach_the_sink_in_order_and_are_counted(make: Make, sink: ListSink) -> None:
    handler = make()
    for number in range(2000):
        handler.put(b"%d\n" % number, logging.INFO)
    assert handler.flush()
    assert sink.lines == [(logging.INFO, b"%d\n" % number) for number in range(2000)]
    assert max(sink.batches) <= background.BATCH
    stats = handler.stats()
    assert (stats["accepted"], stats["written"], stats["waiting"], stats["dropped"]) == (2000, 2000, 0, {})
    assert stats["max_depth"] >= 1


def test_a_logger_reaches_the_sink_as_json(make: Make, sink: ListSink, logger: logging.Logger) -> None:
    handler = make(level=logging.WARNING)
    logger.addHandler(handler)
    logger.info("no")
    logger.error("yes", extra={"n": 1})
    handler.flush()
    (line,) = sink.lines
    assert line.level == logging.ERROR
    assert b'"message":"yes"' in line.body


def test_without_a_record_there_is_no_thread(make: Make) -> None:
    before = threading.active_count()
    handler = make()
    assert handler.flush()
    assert threading.active_count() == before


def test_a_full_queue_refuses_the_new_line_and_counts_it(make: Make, sink: ListSink) -> None:
    handler = make(max_records=10, on_nearly_full=lambda waiting: None)
    sink.open.clear()
    for number in range(25):
        handler.put(b"%d\n" % number, logging.INFO)
    stats = handler.stats()
    assert (stats["accepted"], stats["depth"], stats["max_depth"]) == (10, 10, 10)
    assert stats["dropped"] == {"queue_full": 15}
    assert not handler.flush(0.05)
    sink.open.set()
    assert handler.flush()
    assert sink.bodies == [b"%d\n" % number for number in range(10)]
    assert handler.stats()["max_depth"] == 10


def test_a_queue_that_is_nearly_full_says_so_once_until_it_was_half_empty(make: Make, sink: ListSink) -> None:
    told: list[int] = []
    handler = make(max_records=100, on_nearly_full=told.append)
    for _ in range(2):
        sink.open.clear()
        for _ in range(95):
            handler.put(b"x\n", logging.INFO)
        assert handler.stats()["nearly_full"]
        sink.open.set()
        handler.flush()
        wait_until(lambda: not handler.stats()["nearly_full"])
    assert told == [80, 80]


def test_what_the_callback_raises_costs_no_record(make: Make, sink: ListSink) -> None:
    def fail(waiting: int) -> None:
        raise ZeroDivisionError

    handler = make(max_records=1, on_nearly_full=fail)
    handler.put(b"x\n", logging.INFO)
    handler.flush()
    assert sink.bodies == [b"x\n"]


def test_a_sink_that_fails_is_tried_again_with_the_same_lines(
    make: Make, sink: ListSink, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = make()
    sink.error = OSError("no space left")
    for number in range(50):
        handler.put(b"%d\n" % number, logging.INFO)
    wait_until(lambda: sink.failures > 2)
    assert handler.failing
    assert handler.stats()["waiting"] == 50
    start = time.monotonic()
    assert not handler.flush()  # it is known to fail: nobody waits
    assert time.monotonic() - start < 1
    sink.error = None
    wait_until(lambda: handler.stats()["written"] == 50)
    assert sink.bodies == [b"%d\n" % number for number in range(50)]
    assert not handler.failing
    assert capsys.readouterr().err.count("no space left") == 1


def test_lines_that_a_sink_can_never_take_are_dropped_and_counted(make: Make, sink: ListSink) -> None:
    handler = make()
    sink.error = ValueError("a mistake")
    handler.put(b"1\n", logging.INFO)
    handler.flush()
    sink.error = None
    handler.put(b"2\n", logging.INFO)
    handler.flush()
    assert sink.bodies == [b"2\n"]
    stats = handler.stats()
    assert (stats["accepted"], stats["written"], stats["dropped"]) == (2, 1, {"sink": 1})


def test_close_writes_what_waits_and_later_lines_are_refused(
    make: Make, sink: ListSink, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = make()
    for number in range(1000):
        handler.put(b"%d\n" % number, logging.INFO)
    handler.close()
    handler.put(b"late\n", logging.INFO)
    handler.close()
    assert capsys.readouterr().err == ""
    assert len(sink.lines) == 1000
    assert sink.is_closed
    assert handler.stats()["dropped"] == {"closed": 1}


def test_close_gives_up_on_a_sink_that_fails_or_hangs_and_says_so(
    make: Make, sink: ListSink, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = make()
    sink.error = OSError()
    handler.put(b"x\n", logging.INFO)
    start = time.monotonic()
    handler.close(timeout=0.2)
    assert time.monotonic() - start < 2
    assert handler.stats()["dropped"] == {"closed": 1}
    assert sink.is_closed
    assert "1 log records were not written" in capsys.readouterr().err
    sink.error = None
    handler = make()
    sink.open.clear()
    handler.put(b"x\n", logging.INFO)
    start = time.monotonic()
    handler.close(timeout=0.2)
    assert time.monotonic() - start < 2
    assert "1 log records were not written" in capsys.readouterr().err


def test_what_the_sink_itself_logs_goes_nowhere(make: Make, sink: ListSink, logger: logging.Logger) -> None:
    handler = make()
    logger.addHandler(handler)
    write = sink.write
    ours = logging.Logger("logging_core.sink")  # noqa: LOG001  # one that no other test knows
    ours.addHandler(handler)

    def logging_write(lines: Sequence[Line]) -> None:
        ours.error("in the sink")
        write(lines)

    sink.write = logging_write  # type: ignore[method-assign]
    logger.error("once")
    handler.flush()
    handler.close()
    assert len(sink.lines) == 1


def test_a_record_logged_while_another_is_formatted_arrives_too(
    make: Make, sink: ListSink, logger: logging.Logger
) -> None:
    handler = make()
    logger.addHandler(handler)

    class Talkative:
        def __str__(self) -> str:
            logger.info("inside")
            return "outside"

    class Finalized:
        def __del__(self) -> None:
            logger.info("finalized")

    logger.info("%s", Talkative())
    Finalized()
    handler.flush()
    assert {orjson.loads(body)["message"] for body in sink.bodies} == {"inside", "outside", "finalized"}


def test_signal_handlers_that_log_lose_nothing_and_block_nothing(make: Make, sink: ListSink) -> None:
    handler = make(max_records=1_000_000)
    signals = 0

    def log(*_: object) -> None:
        nonlocal signals
        signals += 1
        handler.put(b"signal\n", logging.INFO)

    before = signal.signal(signal.SIGALRM, log)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        count = 0
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            handler.put(b"main\n", logging.INFO)
            handler.stats()
            count += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handler.flush(10)
    assert sink.bodies.count(b"main\n") == count
    assert sink.bodies.count(b"signal\n") == signals > 0


def test_many_threads_lose_nothing(make: Make, sink: ListSink) -> None:
    handler = make(max_records=5000)

    def log() -> None:
        for _ in range(5000):
            handler.put(b"x\n", logging.INFO)

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush(10)
    stats = handler.stats()
    assert stats["accepted"] + stats["dropped"].get("queue_full", 0) == 20_000
    assert stats["written"] == stats["accepted"] == len(sink.lines)


def test_a_forked_child_begins_anew_and_the_parents_lines_are_the_parents(make: Make, sink: ListSink) -> None:
    handler = make()
    sink.open.clear()
    for _ in range(100):
        handler.put(b"parent\n", logging.INFO)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            sink.open = threading.Event()
            sink.open.set()
            handler.put(b"child\n", logging.INFO)
            assert handler.flush(5)
            assert sink.bodies == [b"child\n"]
            assert handler.stats()["accepted"] == 1
            status = 0
        finally:
            os.write(writer, bytes([status]))
            os._exit(status)
    assert os.read(reader, 1) == b"\0"
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    sink.open.set()
    assert handler.flush()
    assert sink.bodies == [b"parent\n"] * 100


class FileLikeSink:
    """Appends to a file, so that other processes' lines can be seen."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, lines: Sequence[Line]) -> None:
        with Path(self.path).open("ab") as file:
            file.write(b"".join(line.body for line in lines))

    def close(self) -> None:
        pass


def log_and_end(path: str) -> None:
    handler = BackgroundHandler(FileLikeSink(path), Encoder("shop"))
    logging.getLogger("ending").addHandler(handler)
    logging.getLogger("ending").error("the last words")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_last_words_of_a_child_of_multiprocessing_are_written(tmp_path: Path, method: str) -> None:
    process = multiprocessing.get_context(method).Process(target=log_and_end, args=(str(tmp_path / "out"),))
    process.start()
    process.join(30)
    assert b"the last words" in (tmp_path / "out").read_bytes()


LAST_WORDS = """
import logging, sys
from tests.logging_core.test_background import log_and_end
log_and_end(sys.argv[1])
"""


def test_the_last_words_of_a_program_are_written(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", LAST_WORDS, str(tmp_path / "out")],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=60,
    )  # fmt: skip
    assert b"the last words" in (tmp_path / "out").read_bytes()


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, logging
from logging_core.background import BackgroundHandler
from logging_core.record import Encoder
from tests.logging_core.test_background import ListSink

sink = ListSink()
handler = BackgroundHandler(sink, Encoder("shop"))

def log():
    for number in range(500):
        handler.put(b"x", logging.INFO)
        if number % 10 == 0:
            gevent.sleep(0)

gevent.joinall([gevent.spawn(log) for _ in range(10)])
assert handler.flush(10)
assert len(sink.lines) == 5000
handler.close()
assert sink.is_closed
"""


def test_greenlets_log_as_threads_do() -> None:
    subprocess.run(
        [sys.executable, "-c", GREENLETS], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=60
    )


def test_a_queue_without_room_is_refused(sink: ListSink) -> None:
    with pytest.raises(ValueError, match="max_records is at least 1, not 0"):
        BackgroundHandler(sink, Encoder("shop"), max_records=0)
