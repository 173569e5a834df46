"""A user's Celery application: real workers, a real broker, and what they log."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group

from logging_core import context
from logging_core.context import LoggingContext
from tests.logging_core.web import celery_shop, json_file
from tests.logging_core.web.json_file import Kept
from tests.waiting import wait_until

APP = "tests.logging_core.web.celery_shop"
POOLS = {"prefork": ["-P", "prefork", "-c", "2"], "solo": ["-P", "solo"], "threads": ["-P", "threads", "-c", "2"]}


class Worker:
    """A worker of the application, and what it has logged."""

    def __init__(self, log: Path, *options: str) -> None:
        command = [sys.executable, "-m", "celery", "-A", APP, "worker", "-Q", "shop", *options]
        self.log = log
        self.process = subprocess.Popen(
            command,
            env=os.environ | {"SHOP_LOG": str(log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def records(self, **fields: Any) -> list[dict[str, Any]]:
        return [each for each in json_file.read(self.log) if fields.items() <= each.items()]

    def wait_for(self, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.records(**fields)) >= count, what=f"{count} records of {fields}")
        return self.records(**fields)

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture(scope="module", params=POOLS)
def worker(request: pytest.FixtureRequest, redis_server: str, tmp_path_factory: Any) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("shop") / "records.log", "-l", "INFO", *POOLS[request.param])
    worker.pool = request.param
    worker.wait_for(logger="celery.apps.worker")
    yield worker
    output = worker.end()
    assert "Signal handler" not in output


def test_a_task_has_the_context_of_who_sent_it(worker: Worker) -> None:
    with LoggingContext(trace_id="trace-1", request_id="request-1", user_id=7, basket="not chosen"):
        task = celery_shop.order.delay(1)
    [record] = worker.wait_for(logger="shop.orders", task_id=task.id)
    assert (record["trace_id"], record["request_id"], record["user_id"]) == ("trace-1", "request-1", 7)
    assert (record["task_name"], record["attempt"], record["number"]) == (f"{APP}.order", 1, 1)
    assert "basket" not in record
    if worker.pool == "prefork":
        assert record["process"] != worker.process.pid


def test_nothing_of_a_task_is_left_to_the_next_one(worker: Worker) -> None:
    with LoggingContext(trace_id="trace-2", user_id=8):
        celery_shop.order.delay(1)
    for each in [celery_shop.order.delay(2) for _ in range(4)]:
        [record] = worker.wait_for(logger="shop.orders", task_id=each.id)
        assert record["trace_id"] == each.id.replace("-", "")
        assert not {"left_behind", "user_id"} & record.keys()


def test_each_run_leaves_one_record(worker: Worker) -> None:
    task = celery_shop.add.delay(1, 2)
    [record] = worker.wait_for(event="task", task_id=task.id)
    assert (record["logger"], record["message"], record["state"]) == ("shop.tasks", "Task run", "SUCCESS")
    assert 0 < record["duration_ms"] < 60_000
    assert "channel" not in record


def test_the_tasks_of_a_workflow_have_one_trace_id(worker: Worker) -> None:
    with LoggingContext(trace_id="trace-3"):
        chain(celery_shop.add.s(1, 2), celery_shop.add.s(3)).delay()
        group(celery_shop.add.s(1, 2), celery_shop.add.s(3, 4)).delay()
        chord([celery_shop.add.s(1, 2), celery_shop.add.s(3, 4)])(celery_shop.order.s())
    assert len({each["task_id"] for each in worker.wait_for(7, event="task", trace_id="trace-3")}) == 7


def test_without_a_context_too(worker: Worker) -> None:
    result = chain(celery_shop.add.s(1, 2), celery_shop.add.s(3), celery_shop.add.s(4)).delay()
    [last] = worker.wait_for(event="task", task_id=result.id)
    assert len(worker.wait_for(3, event="task", trace_id=last["trace_id"])) == 3  # several processes write them


def test_a_retry_keeps_the_context_and_the_headers_of_the_caller(worker: Worker) -> None:
    with LoggingContext(trace_id="trace-4"):
        task = celery_shop.flaky.delay()
        headed = celery_shop.read_header.apply_async(headers={"colour": "green"})
    assert headed.get(timeout=20) == "green"
    assert task.get(timeout=20) == "done"
    tried = worker.wait_for(3, logger="shop.orders", task_id=task.id)
    assert [(each["attempt"], each["trace_id"]) for each in tried] == [(n, "trace-4") for n in (1, 2, 3)]
    runs = worker.wait_for(3, event="task", task_id=task.id)
    assert {each["attempt"]: each["state"] for each in runs} == {1: "RETRY", 2: "RETRY", 3: "SUCCESS"}
    assert not worker.records(event="unhandled_exception", task_id=task.id)


@pytest.mark.parametrize(
    ("kind", "error"), [("value", "ValueError"), ("key", "KeyError"), ("unpicklable", f"{APP}.UnpicklableError")]
)
def test_a_failure_is_logged_once_without_arguments(worker: Worker, kind: str, error: str) -> None:
    with LoggingContext(trace_id="trace-5"):
        task = celery_shop.fail.delay(kind, secret="hunter2")
    [run] = worker.wait_for(event="task", task_id=task.id)
    assert run["state"] == "FAILURE"
    [record] = [each for each in worker.records() if task.id in str(each) and each["level"] != "INFO"]
    assert (record["level"], record["event"]) == ("ERROR", "unhandled_exception")
    assert (record["error"]["type"], record["error_type"]) == (error, error.rsplit(".")[-1])
    assert "def fail" not in record["error"]["stack"] and "in fail\n" in record["error"]["stack"]
    assert (record["task_name"], record["trace_id"]) == (f"{APP}.fail", "trace-5")
    assert record.get("alert") == (False if kind == "key" else None)
    assert "hunter2" not in worker.log.read_text()


def test_what_a_task_may_do_is_no_failure(worker: Worker) -> None:
    expected, ignored, rejected = (
        celery_shop.fail_as_expected.delay(),
        celery_shop.refuse.delay("ignore"),
        celery_shop.refuse.delay("reject"),
    )
    states = [worker.wait_for(event="task", task_id=each.id)[0]["state"] for each in (expected, ignored, rejected)]
    assert states == ["FAILURE", "IGNORED", "REJECTED"]
    assert not [each for each in (expected, ignored, rejected) if worker.records(level="ERROR", task_id=each.id)]


@pytest.mark.parametrize(("how", "error"), [("die", "WorkerLostError"), ("hang", "TimeLimitExceeded")])
def test_a_task_whose_process_is_killed_is_a_failure_too(worker: Worker, how: str, error: str) -> None:
    if worker.pool != "prefork":
        pytest.skip("it would be the worker that is killed")
    with LoggingContext(trace_id="trace-6"):
        task = getattr(celery_shop, how).delay()
    [record] = worker.wait_for(event="unhandled_exception", task_id=task.id)
    assert (record["error_type"], record["trace_id"], record["attempt"]) == (error, "trace-6", 1)
    assert (record["task_name"], record["process"]) == (f"{APP}.{how}", worker.process.pid)
    [run] = worker.wait_for(event="task", task_id=task.id)
    assert (run["state"], run.get("duration_ms")) == ("FAILURE", None)
    named = [each for each in worker.records(level="ERROR") if each["logger"] == "celery.worker.request"]
    assert not named


def test_whatever_is_in_the_context_the_task_is_sent(worker: Worker) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    for user in (object(), "x" * 10_000, 2**70, float("nan"), b"\xff", Hostile()):
        with LoggingContext(user_id=user):
            assert celery_shop.add.delay(1, 2).get(timeout=20) == 3


def test_a_header_that_somebody_else_made_is_not_believed(worker: Worker) -> None:
    for header in ("text", [1], {"trace_id": "two\nlines"}, {"self": 1, "trace_id": 5, "2": 2, "user_id": {}}):
        task = celery_shop.order.apply_async((1,), headers={"tocsin": header})
        [record] = worker.wait_for(logger="shop.orders", task_id=task.id)
        assert record["trace_id"] == task.id.replace("-", "")


def test_what_is_printed_is_printed(worker: Worker) -> None:
    task = celery_shop.speak.delay()
    worker.wait_for(event="task", task_id=task.id)
    assert not [each for each in worker.records() if "said" in each["message"]]


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, logger = Kept(), logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_eager_tasks_are_blocks_of_the_context_around_them(kept: Kept) -> None:
    with LoggingContext(trace_id="trace-7", basket=3):
        celery_shop.nest.apply()
        assert "task_id" not in context.fields()
    messages = [(each["message"], each["task_name"].rsplit(".")[-1]) for each in kept.records]
    assert messages == [("adding", "add"), ("Task run", "add"), ("after the inner one", "nest"), ("Task run", "nest")]
    assert {(each["trace_id"], each["basket"]) for each in kept.records} == {("trace-7", 3)}


def test_an_eager_task_that_fails_is_logged_unless_the_caller_gets_the_error(kept: Kept) -> None:
    celery_shop.fail.apply(("value",))
    assert [each["event"] for each in kept.records] == ["unhandled_exception", "task"]
    kept.records.clear()
    with pytest.raises(ValueError, match="no such thing"):
        celery_shop.fail.apply(("value",), throw=True)
    assert [each["event"] for each in kept.records] == ["task"]
    assert not context.fields()


def test_an_eager_retry(kept: Kept) -> None:
    assert celery_shop.flaky.apply().get() == "done"
    assert [each["attempt"] for each in kept.records if each["message"] == "trying"] == [1, 2, 3]
    assert len({each["trace_id"] for each in kept.records}) == 1


STATE = """
import logging, sys
{before}
from tests.logging_core.web.celery_shop import app
app.log.setup(loglevel="ERROR", logfile={logfile!r}, redirect_stdouts=True)
root, celery = logging.getLogger(), logging.getLogger("celery")
print(*[type(each).__name__ for each in root.handlers], root.level, celery.level, type(sys.stdout).__name__)
"""


@pytest.mark.parametrize(
    ("before", "logfile", "expected"),
    [
        ("", None, "JsonFile 20 40 TextIOWrapper"),
        ("", "worker.log", "JsonFile WatchedFileHandler 20 40 TextIOWrapper"),
        ("logging.getLogger('celery').setLevel('DEBUG')", None, "JsonFile 20 10 TextIOWrapper"),
    ],
)
def test_celery_leaves_the_root_logger_as_it_is(
    tmp_path: Path, before: str, logfile: str | None, expected: str
) -> None:
    program = STATE.format(before=before, logfile=logfile and str(tmp_path / logfile))
    environment = os.environ | {"SHOP_LOG": str(tmp_path / "records.log")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_another_application_in_the_same_process_is_not_touched(kept: Kept) -> None:
    from celery import Celery

    other = Celery("other", set_as_current=False)

    @other.task
    def whoami() -> dict[str, Any]:
        return dict(context.fields())

    assert whoami.apply().get() == {}
