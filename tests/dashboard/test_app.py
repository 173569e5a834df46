import socket
import threading
from collections.abc import Iterator

import pytest
import redis as redis_py
import requests
import uvicorn
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard.app import create_app
from tasks import canary, heartbeat, schedule


class Served:
    """The application behind a real server, in a thread of this process."""

    def __init__(self, client: redis_py.Redis) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(create_app(client), log_level="warning", ws="none"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def web(redis) -> Iterator[Served]:
    served = Served(redis)
    yield served
    served.close()


@pytest.fixture
def web_without_redis() -> Iterator[Served]:
    with redis_py.Redis(port=1, retry=Retry(NoBackoff(), 0)) as client:
        served = Served(client)
        yield served
        served.close()


@pytest.fixture
def alive(redis) -> Iterator[None]:
    seconds, _ = redis.time()
    redis.set(schedule.TICK_KEY, seconds)
    redis.hset(
        "tocsin:{alerts}:evaluate:last", mapping={"at": seconds, "duration_ms": 1.5, "rules": 4, "alerts_firing": 0}
    )
    queues = ("evaluate", "ingest", "maintain", "notify", "recover", "scan")
    heart = heartbeat.Heart(heartbeat.Worker(name="worker@a", pid=1, queues=queues, started=0.0), redis)
    while not heartbeat.workers(redis):
        pass
    yield
    heart.stop()


def test_a_stack_that_lives_is_healthy(web, alive):
    answer = web.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_a_stack_without_beat_and_workers_is_not(web):
    answer = web.get("/healthz")
    assert answer.status_code == 503
    assert answer.text.splitlines()[0] == "beat has never ticked"


def test_without_redis_each_page_says_so(web_without_redis):
    assert (web_without_redis.get("/healthz").status_code, web_without_redis.get("/healthz").text) == (
        503,
        "Redis does not answer",
    )
    assert web_without_redis.get("/status").status_code == 503
    assert "tocsin_redis_up 0.0" in web_without_redis.get("/metrics").text.splitlines()


def test_the_metrics_are_what_the_status_says(web, alive, redis):
    redis.hset("tocsin:{0}:scan:events", "DiskSpace", 3)
    redis.hset("tocsin:{alerts}:evaluate:last", mapping={"at": 1.0, "duration_ms": 2.5, "rules": 3, "alerts_firing": 2})
    redis.hset("tocsin:watchdog:exits", "ingest", 2)
    redis.zadd(canary.ARRIVED_KEY, {"worker@a": redis.time()[0]})
    lines = web.get("/metrics").text.splitlines()
    assert any(line.startswith('tocsin_canary_age_seconds{worker="worker@a"} 0.') for line in lines)
    assert {
        "tocsin_redis_up 1.0",
        "tocsin_workers 1.0",
        "tocsin_records_accepted_total 0.0",
        "tocsin_alerts_firing 2.0",
        'tocsin_scan_events_total{error_type="DiskSpace"} 3.0',
        'tocsin_queue_workers{queue="ingest"} 1.0',
        'tocsin_watchdog_exits_total{worker="ingest"} 2.0',
        "tocsin_redis_max_memory_bytes 0.0",
    } <= set(lines)


def test_the_status_is_json(web, alive):
    status = web.get("/status").json()
    assert [worker["name"] for worker in status["workers"]] == ["worker@a"]
    assert status["accepted"] == 0
