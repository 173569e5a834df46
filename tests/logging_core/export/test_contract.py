"""What every exporter must do, whatever its receiver does."""

import logging
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from logging_core.export import endpoint
from tests.hostile import Parts, for_each
from tests.logging_core.export.conftest import EXPORTS, SECRET, Connect, Export
from tests.receivers import Answer, Receiver
from tests.waiting import free_port, wait_until

CERTIFICATE = Path(__file__).parents[2] / "alerts/localhost.pem"


def adds_up(stats: dict[str, Any]) -> bool:
    return bool(stats["accepted"] == stats["written"] + stats["waiting"] + stats["dropped"].get("refused", 0))


def test_records_arrive_in_their_order(export: Export, receiver: Any, connect: Connect) -> None:
    logger, handler = connect(export, receiver.port)
    for number in range(50):
        logger.error("record %d", number)
    assert handler.flush(20)
    assert receiver.messages == [f"record {number}" for number in range(50)]
    stats = handler.stats()
    assert (stats["accepted"], stats["written"], stats["dropped"]) == (50, 50, {})


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(export: Export, receiver: Any, connect: Connect, status: int) -> None:
    receiver.answers = [Answer(status, headers={"Retry-After": "0"})] * 2
    logger, handler = connect(export, receiver.port)
    logger.error("at last")
    assert handler.flush(20)
    assert receiver.messages == ["at last"]
    assert len(receiver.requests) == 3
    assert handler.stats()["dropped"] == {}


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404])
def test_what_will_not_pass_is_dropped_and_counted(
    export: Export, receiver: Any, connect: Connect, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [Answer(status, b"no such thing", headers={"Location": "http://127.0.0.1:1/"})]
    logger, handler = connect(export, receiver.port)
    logger.error("in vain")
    assert handler.flush(20)
    logger.error("later")
    assert handler.flush(20)
    assert receiver.messages == ["later"]
    stats = handler.stats()
    assert (stats["accepted"], stats["written"], stats["dropped"]) == (2, 1, {"refused": 1})
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"127.0.0.1:{receiver.port}: {status}" in said


def test_a_receiver_that_asks_to_be_left_alone_is(export: Export, receiver: Any, connect: Connect) -> None:
    receiver.answers = [Answer(429, headers={"Retry-After": "1"})]
    logger, handler = connect(export, receiver.port)
    logger.error("patience")
    assert handler.flush(20)
    first, second = receiver.requests
    assert second.at - first.at >= 1.0
    assert receiver.messages == ["patience"]


def test_a_receiver_that_never_answers_is_given_up_and_asked_again(
    export: Export, receiver: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "BETWEEN_BYTES", 0.2)
    receiver.silent.set()
    logger, handler = connect(export, receiver.port)
    logger.error("hello?")
    wait_until(lambda: len(receiver.requests) >= 2, what="another try")
    assert handler.failing
    receiver.silent.clear()
    assert handler.flush(20)
    assert receiver.messages == ["hello?"]


def test_records_wait_for_a_receiver_that_is_away(export: Export, connect: Connect) -> None:
    port = free_port()
    logger, handler = connect(export, port)
    logger.error("early")
    wait_until(lambda: handler.failing)
    with export.receiver(port) as receiver:
        assert handler.flush(20)
        assert receiver.messages == ["early"]
    logger.error("while it is away again")
    wait_until(lambda: handler.failing)
    with export.receiver(port) as receiver:
        assert handler.flush(20)
        assert receiver.messages == ["while it is away again"]


def test_memory_is_bounded_and_the_caller_never_waits(export: Export, connect: Connect) -> None:
    logger, handler = connect(export, free_port(), max_records=100)
    began = time.monotonic()
    for number in range(1000):
        logger.error("record %d", number)
    assert time.monotonic() - began < 2.0
    stats = handler.stats()
    assert (stats["accepted"], stats["dropped"]) == (100, {"queue_full": 900})
    assert adds_up(stats)


def test_closing_ends_within_its_time(export: Export, receiver: Any, connect: Connect) -> None:
    receiver.silent.set()
    logger, handler = connect(export, receiver.port)
    logger.error("hello?")
    wait_until(lambda: receiver.requests)
    began = time.monotonic()
    assert not handler.flush(0.2)
    handler.close(0.2)
    assert time.monotonic() - began < 2.0


def test_credentials_are_in_no_text(
    export: Export,
    receiver: Any,
    connect: Connect,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    basic = "c2hvcDpzZXNhbWU=" if export.name == "loki" else SECRET
    echo = f"who is {SECRET}, 'Bearer {SECRET}', {basic} ?".encode()
    receiver.answers = [Answer(503, echo), Answer(403, echo)]
    logger, handler = connect(export, receiver.port)
    logger.error("one")
    assert handler.flush(20)
    texts = capfd.readouterr().err + caplog.text + repr(handler) + repr(handler.sink) + repr(handler.sink.endpoint)
    assert "503 who is" in texts
    assert SECRET not in texts
    assert basic not in texts
    assert any(basic in value for value in receiver.requests[0].headers.values())


def test_what_the_http_library_says_is_not_sent_on(connect: Connect) -> None:
    """Not even from one exporter to another: each request would be the cause of the next."""
    library = logging.getLogger("urllib3")
    level = library.level
    library.setLevel(logging.DEBUG)
    loki, other = EXPORTS[0], EXPORTS[3]
    with loki.receiver() as first, other.receiver() as second:
        handlers = [connect(loki, first.port)[1], connect(other, second.port)[1]]
        try:
            for handler in handlers:
                library.addHandler(handler)
            library.error("once")
            for handler in handlers:
                assert handler.flush(20)
            assert [handler.stats()["accepted"] for handler in handlers] == [1, 1]
            assert first.messages == second.messages == ["once"]  # type: ignore[attr-defined]
        finally:
            for handler in handlers:
                library.removeHandler(handler)
            library.setLevel(level)


def test_a_forked_child_sends_its_own_over_a_connection_of_its_own(
    export: Export, receiver: Any, connect: Connect
) -> None:
    logger, handler = connect(export, receiver.port)
    logger.error("before")
    assert handler.flush(20)
    pid = os.fork()
    if pid == 0:
        logger.error("in the child")
        sent = handler.flush(10) and handler.stats()["accepted"] == 1
        os._exit(0 if sent else 1)
    logger.error("in the parent")
    assert handler.flush(20)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sorted(receiver.messages) == ["before", "in the child", "in the parent"]
    assert handler.stats()["written"] == 2


def test_certificates_are_verified(export: Export, connect: Connect, capfd: pytest.CaptureFixture[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with export.receiver(tls=context) as receiver:
        logger, handler = connect(export, receiver.port, scheme="https")
        logger.error("to whom?")
        said: list[str] = []
        wait_until(lambda: said.append(capfd.readouterr().err) or "SSLError" in "".join(said))  # once it is failing
        assert handler.failing
        assert receiver.requests == []
        logger, handler = connect(export, receiver.port, scheme="https", ca_file=str(CERTIFICATE))
        logger.error("to you")
        assert handler.flush(20)
        assert receiver.messages == ["to you"]  # type: ignore[attr-defined]


def test_what_is_too_large_for_a_request_is_sent_in_several(
    export: Export, receiver: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy takes less than it would by default: parts are halved until it does."""
    take = receiver.well

    def well(request: Any) -> Answer:
        if len(request.body) > 20_000:
            receiver.taken.remove(request)
            return Answer(413)
        answer: Answer = take(request)
        return answer

    monkeypatch.setattr(receiver, "well", well)
    receiver.answers = [Answer(503)]  # so that all of them are waiting
    logger, handler = connect(export, receiver.port)
    for number in range(100):
        logger.error("%d %s", number, "x" * 1000)
    assert handler.flush(20)
    assert [int(message.split()[0]) for message in receiver.messages] == list(range(100))
    assert handler.stats()["dropped"] == {}


def test_a_request_is_of_a_bounded_size(export: Export, receiver: Any, connect: Connect) -> None:
    receiver.answers = [Answer(503)]
    logger, handler = connect(export, receiver.port)
    for _ in range(60):
        logger.error("x" * 30_000)
    assert handler.flush(20)
    assert len(receiver.messages) == 60
    assert max(len(request.body) for request in receiver.requests) < 1024 * 1024


def test_what_was_sent_before_a_failure_is_not_sent_again(
    export: Export, receiver: Receiver, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging_core.export.exporter.REQUEST_BYTES", 2500)
    monkeypatch.setattr("logging_core.export.sentry.CRUMBS", 0)  # which hold records of before, as they should
    _, handler = connect(export, receiver.port)
    logger = logging.Logger("shop.api")  # noqa: LOG001
    receiver.answers = [Answer(503), Answer(503)]
    logger.addHandler(handler)
    for number in range(6):
        logger.error("%d %s", number, "x" * 1000)
    wait_until(lambda: not receiver.answers)
    receiver.answers = [Answer(503)]
    assert handler.flush(20)
    bodies = [request.body for request in receiver.taken]
    for number in range(6):
        assert sum(f"{number} xxx".encode() in body for body in bodies) == 1


GEVENT = """
from gevent import monkey
monkey.patch_all()
import logging, sys, time
import gevent
from logging_core.export.{name} import {name}_handler
handler = {name}_handler({place!r}, service="shop", **{options!r})
logger = logging.getLogger("shop.api")
logger.addHandler(handler)
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.005)
gevent.spawn(tick)
greenlets = [gevent.spawn(logger.error, "greenlet %d", number) for number in range(20)]
gevent.joinall(greenlets)
assert handler.flush(20)
assert len(ticks) > 10, "the other greenlets stood still"
handler.close()
"""


def test_under_gevent(export: Export, receiver: Any) -> None:
    receiver.delay = 0.3
    program = GEVENT.format(name=export.name, place=export.place(receiver.port), options=export.credentials)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(receiver.messages) == sorted(f"greenlet {number}" for number in range(20))


def test_what_is_logged_last_is_sent_at_exit(export: Export, receiver: Any) -> None:
    program = f"""if True:
        import logging
        from logging_core.export.{export.name} import {export.name}_handler
        handler = {export.name}_handler({export.place(receiver.port)!r}, service="shop")
        logging.getLogger().addHandler(handler)
        logging.error("goodbye")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert receiver.messages == ["goodbye"]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("loki", "requests"),
        ("elasticsearch", "requests"),
        ("sentry", "sentry_sdk"),
        ("opentelemetry", "opentelemetry.proto"),
    ],
)
def test_a_missing_package_is_named_with_its_cure(name: str, missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import logging_core.export.{name}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f"pip install 'tocsin[{name}]'" in done.stderr.splitlines()[-1]


def test_a_slow_answer_ends_too(
    export: Export, receiver: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte after byte, each within its time."""
    monkeypatch.setattr(endpoint, "WHOLE_ANSWER", 0.3)
    receiver.drips.set()
    logger, handler = connect(export, receiver.port)
    logger.error("slowly")
    wait_until(lambda: handler.failing)
    receiver.drips.clear()
    assert handler.flush(20)


def test_records_as_bugs_and_attackers_make_them(export: Export, receiver: Any, connect: Connect) -> None:
    _, handler = connect(export, receiver.port)
    drawn = []

    def log(parts: Parts) -> None:
        record = parts.record(f"f{len(drawn)}")
        drawn.append(record)
        handler.emit(record)

    for_each(20261122, 200, log)
    assert handler.flush(20)
    stats = handler.stats()
    assert (stats["accepted"], stats["written"], stats["dropped"]) == (len(drawn), len(drawn), {})
    if not export.errors_only:
        assert len(receiver.messages) == len(drawn)
