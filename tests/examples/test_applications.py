"""The example applications, each under its real server, with a real Celery worker beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from logging_core.streams.connection import connect
from logging_core.streams.stream import Keys
from tests.waiting import free_port, wait_until

GUNICORN = ["gunicorn", "-c", "python:examples.gunicorn_config", "-b", "127.0.0.1:{port}"]
SERVERS = {
    "flask": [*GUNICORN, "examples.flask_app:app"],
    "django": [*GUNICORN, "examples.django_app:application"],
    "fastapi": ["uvicorn", "--no-access-log", "--port", "{port}", "examples.fastapi_app:app"],
}
WORKER = [
    "celery",
    "-A",
    "examples.background",
    "worker",
    "-l",
    "INFO",
    "-c",
    "1",
    "--without-gossip",
    "--without-mingle",
]
DESTINATIONS = ("files", "redis")


class Place:
    """Where the processes of a shop keep what they keep, and its records."""

    def __init__(self, folder: Path, destination: str, redis: Redis) -> None:
        self.folder = folder
        self._destination = destination
        self._redis = redis
        self.environment = os.environ | {
            "LOG_DESTINATION": destination,
            "LOG_DIR": str(folder / "logs"),
            "LOG_CONSOLE_LEVEL": "OFF",
            "SHOP_DATABASE": str(folder / "orders.sqlite"),
        }

    @contextmanager
    def running(self, command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
        """A program, from the folder of the project; what it says is in a file."""
        with (self.folder / f"{command[0]}.output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=Path(__file__).parents[2],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(30)
                finally:
                    process.kill()

    def output(self, program: str) -> str:
        return (self.folder / f"{program}.output").read_text()

    def records(self, **fields: Any) -> list[dict[str, Any]]:
        """Those with these fields, wherever they are kept."""
        if self._destination == "redis":
            bodies = [entry[b"body"].decode() for _, entry in self._redis.xrange(Keys().stream)]
        else:
            path = self.folder / "logs/app.log"
            bodies = [path.read_text()] if path.exists() else []
        records = [json.loads(line) for body in bodies for line in body.splitlines()]
        return [each for each in records if fields.items() <= each.items()]

    def wait_for(self, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.records(**fields)) >= count, what=f"{count} records with {fields}")
        return self.records(**fields)


@pytest.fixture(scope="module", params=DESTINATIONS)
def place(request: pytest.FixtureRequest, redis_server: str, tmp_path_factory: Any) -> Iterator[Place]:
    """A place with a Celery worker in it."""
    with connect(redis_server, connect_timeout=2, timeout=5) as redis:
        redis.flushall()
        place = Place(tmp_path_factory.mktemp("shop"), request.param, redis)
        with place.running(WORKER):
            place.wait_for(logger="celery.apps.worker")
            yield place
        assert "Traceback" not in place.output("celery")


@pytest.fixture(scope="module", params=SERVERS)
def ask(request: pytest.FixtureRequest, place: Place) -> Iterator[Callable[..., requests.Response]]:
    """Ask the application, over a connection of its own, under a request id."""
    port = free_port()
    command = [part.format(port=port) for part in SERVERS[request.param]]

    def ask(method: str, path: str, request_id: str, **body: Any) -> requests.Response:
        headers = {"X-Request-ID": request_id, "X-User": "ann", "Connection": "close"}
        url = f"http://127.0.0.1:{port}{path}"
        return requests.request(method, url, headers=headers, json=body or None, timeout=20)

    def answers() -> bool:
        assert server.poll() is None, place.output(command[0])
        try:
            return ask("GET", "/metrics", "start").ok
        except requests.ConnectionError:
            return False

    with place.running(command) as server:
        wait_until(answers, what=f"{command[0]} to answer")
        ask.framework = request.param  # type: ignore[attr-defined]
        yield ask


def test_a_request_and_its_background_task_have_one_trace_id(place: Place, ask: Any) -> None:
    id_ = f"{ask.framework}-order"
    answer = ask("POST", "/orders", id_, item="bell", count=2)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (201, id_)
    number = answer.json()["number"]
    [packed] = place.wait_for(message="order packed", request_id=id_)
    [run] = place.wait_for(event="task", request_id=id_)
    [access] = place.wait_for(event="api_access", request_id=id_)
    [taken] = place.wait_for(message="order taken", request_id=id_)
    assert (taken["number"], packed["number"], run["state"]) == (number, number, "SUCCESS")
    assert {each["trace_id"] for each in (taken, access, packed, run)} == {id_}
    assert {each["service"] for each in (taken, access, packed, run)} == {"shop"}
    assert {each["user_id"] for each in (taken, access, packed, run)} == {"ann"}
    assert packed["process"] != taken["process"]
    assert (access["method"], access["path"], access["status_code"]) == ("POST", "/orders", 201)
    assert access["duration_ms"] > 0
    kept = {each["number"]: each for each in ask("GET", "/orders", "list").json()}
    assert kept[number]["total"] == 8300
    wait_until(lambda: {e["number"]: e for e in ask("GET", "/orders", "list").json()}[number]["packed"], what="packing")


def test_an_error_is_one_record_and_an_answer_that_tells_nothing(place: Place, ask: Any) -> None:
    id_ = f"{ask.framework}-error"
    answer = ask("POST", "/orders", id_, item="drum", count=1)
    assert answer.status_code == 500
    assert answer.json() == {"error": {"type": "InternalServerError", "request_id": id_}}
    [access] = place.wait_for(event="api_access", request_id=id_)
    [record] = place.wait_for(level="ERROR", request_id=id_)
    assert record["event"] == "unhandled_exception"
    assert (record["error"]["type"], record["error"]["message"]) == ("KeyError", "'drum'")
    assert "in total\n" in record["error"]["stack"]
    assert (access["status_code"], access["trace_id"]) == (500, record["trace_id"])


def test_a_slow_query_is_logged(place: Place, ask: Any) -> None:
    id_ = f"{ask.framework}-report"
    assert ask("GET", "/report", id_).json()["minutes"] == 1051200
    [slow] = place.wait_for(event="slow_query", request_id=id_)
    assert slow["duration_ms"] > 100
    assert slow["statement"].startswith("WITH RECURSIVE minute")


def test_a_call_of_an_ai_is_logged(place: Place, ask: Any) -> None:
    id_ = f"{ask.framework}-advice"
    assert ask("GET", "/advice/bell", id_).json() == {"also": "clapper"}
    [call] = place.wait_for(event="ai_call", request_id=id_)
    assert (call["provider"], call["model"], call["status"]) == ("examples", "table-1", "success")
    [access] = place.wait_for(event="api_access", request_id=id_)
    assert "advice" in access["endpoint"]
    assert "bell" not in access["endpoint"]


def test_the_metrics_are_those_of_all_processes(place: Place, ask: Any) -> None:
    id_ = f"{ask.framework}-metrics"
    for _ in range(5):
        ask("GET", "/advice/gong", id_)
    place.wait_for(5, event="api_access", request_id=id_)
    shown = ask("GET", "/metrics", id_).text
    counted = [line for line in shown.splitlines() if line.startswith("ai_calls_total{") and 'status="failed"' in line]
    assert [line.rpartition(" ")[2] for line in counted] == ["5.0"]
    assert "http_request_duration_seconds_bucket" in shown
    assert "active_users_total 1.0" in shown
