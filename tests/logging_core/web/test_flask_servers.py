"""The integration under real servers, over HTTP."""

import re
from collections import Counter

import pytest

from tests.waiting import free_port, wait_until
from tests.web_servers import WebServer, gunicorn, serving

SHARED = "from logging_core.web.gunicorn import child_exit, share_metrics\nshare_metrics()\n"


def value(server: WebServer, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", server.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module", params=["workers", "preload", "threads", "gevent", "werkzeug"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "werkzeug":
        port = free_port()
        with serving(["flask", "--app", "flask_app", "run", "--port", str(port)], port, folder) as server:
            yield server
        return
    options = {
        "workers": [],
        "preload": ["--preload"],
        "threads": ["--threads", "4"],
        "gevent": ["-k", "gevent"],
    }[request.param]
    with gunicorn("flask_app:app", folder, *options, configuration=SHARED) as server:
        yield server


def test_each_request_is_answered_with_its_id_and_recorded_once(server):
    for number in range(20):
        answer = server.get(f"/orders/{number}", X_Request_ID=f"once-{number}")
        assert answer.json()["number"] == number
        assert answer.headers["X-Request-ID"] == f"once-{number}"
        assert re.fullmatch(r"\d+ms", answer.headers["X-Response-Time"])
    for number in range(20):
        server.wait_for(1, "access", request_id=f"once-{number}")
    ids = Counter(record["request_id"] for record in server.records("access") if record["endpoint"] == "order")
    assert {ids[f"once-{number}"] for number in range(20)} == {1}
    shown = [each for each in server.records(message="order shown") if each["request_id"].startswith("once-")]
    assert len(shown) == 20
    for record in shown:
        assert record["request_id"] == f"once-{record['number']}"
        assert record["user_id"] == str(record["number"])


def test_a_trace_goes_on(server):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    server.get("/orders/5", X_Request_ID="trace-1", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    (record,) = server.wait_for(1, "access", request_id="trace-1")
    assert (record["trace_id"], record["ip"]) == (trace, "127.0.0.1")


def test_an_error_is_in_the_file_of_errors(server):
    answer = server.get("/boom", X_Request_ID="boom-1")
    assert (answer.status_code, answer.json()["error"]["request_id"]) == (500, "boom-1")
    (record,) = server.wait_for(1, "errors", request_id="boom-1")
    assert record["error"]["type"] == "KeyError"


def test_a_stream_is_recorded_when_it_ends(server):
    assert server.get("/stream", X_Request_ID="stream-1").text == "012"
    server.wait_for(1, "access", request_id="stream-1")
    assert len(server.records(message="chunk", request_id="stream-1")) == 3


def test_a_slow_statement_is_recorded(server):
    server.get("/slow", X_Request_ID="slow-1")
    (record,) = server.wait_for(1, event="slow_query", request_id="slow-1")
    assert record["duration_ms"] >= 100
    assert record["parameters"] == ["float"]


def test_the_use_of_resources_is_sampled_in_each_process_that_answers(server):
    processes = {server.get("/orders/1").json()["process"] for _ in range(20)}
    wait_until(lambda: processes <= {record["process"] for record in server.records("system")}, what="samples")
    record = server.records("system")[0]
    assert (record["logger"], record["event"]) == ("shop.system", "resource_usage")
    assert record["process_memory_bytes"] > 1_000_000
    assert 0 <= record["host_memory_percent"] <= 100
    assert {"host_cpu_percent", "process_threads", "process_open_files", "disk_free_bytes"} <= record.keys()


def test_metrics_tell_the_sum_of_all_workers(server):
    requests = 'http_requests_total{endpoint="order",method="GET",status="200"}'
    before = value(server, requests)
    processes = {server.get("/orders/7", X_Request_ID=f"sum-{n}").json()["process"] for n in range(30)}
    for _ in range(10):
        assert value(server, requests) == before + 30
    assert value(server, 'http_request_duration_seconds_count{endpoint="order",method="GET"}') == before + 30
    assert value(server, "active_users_total") >= 30
    assert len(processes) >= 1


def test_calls_of_ai_providers_are_summed(server):
    before = value(server, 'ai_calls_total{model="opus",provider="claude",status="failed"}')
    for _ in range(5):
        server.get("/ai")
    assert value(server, 'ai_calls_total{model="opus",provider="claude",status="failed"}') == before + 5
    server.wait_for(5, event="ai_call")


def test_what_a_dead_worker_counted_stays_in_the_sums(tmp_path):
    with gunicorn("flask_app:app", tmp_path, configuration=SHARED) as server:
        requests = 'http_requests_total{endpoint="order",method="GET",status="200"}'
        before = {server.get("/orders/1", X_Request_ID=f"dead-{n}").json()["process"] for n in range(10)}
        with pytest.raises(OSError):
            server.get("/die")
        after = set()
        wait_until(lambda: after.add(server.get("/orders/1").json()["process"]) or after - before, what="a new worker")
        assert value(server, requests) >= 10 + len(after)
        assert value(server, "active_users_total") >= 10


def test_a_worker_that_is_restarted_gracefully_leaves_all_records(tmp_path):
    with gunicorn("flask_app:app", tmp_path, "--max-requests", "5", configuration=SHARED) as server:
        for number in range(30):
            server.get(f"/orders/{number}", X_Request_ID=f"restart-{number}")
        server.wait_for(30, "access", endpoint="order")
        processes = {record["process"] for record in server.records("access")}
    assert len(processes) > 2
