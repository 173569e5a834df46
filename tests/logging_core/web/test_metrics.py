import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from logging_core.web.metrics import count_ai_call, count_request, metrics_response


def series(text: bytes) -> dict[str, float]:
    """`name{labels}` -> value."""
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float:
    return series(metrics_response()[0]).get(name + json.dumps(labels, sort_keys=True), 0.0)


def run(program: str, **environment: str) -> str:
    """A fresh process, since metrics are a process's own."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_requests_are_counted_by_method_endpoint_and_status():
    before = value("http_requests_total", method="GET", endpoint="metrics-test", status="200")
    seconds = value("http_request_duration_seconds_sum", method="GET", endpoint="metrics-test")
    count_request("GET", "metrics-test", 200, 0.25)
    count_request("GET", "metrics-test", 200, 0.25)
    count_request("GET", "metrics-test", 500, 0.5)
    assert value("http_requests_total", method="GET", endpoint="metrics-test", status="200") == before + 2
    assert value("http_request_duration_seconds_sum", method="GET", endpoint="metrics-test") == seconds + 1.0


def test_what_clients_invent_makes_no_series_of_its_own():
    before = value("http_requests_total", method="other", endpoint="unmatched", status="404")
    for method in ("BREW", "WHEN", "x" * 100):
        count_request(method, None, 404, 0.01)
    assert value("http_requests_total", method="other", endpoint="unmatched", status="404") == before + 3


def test_calls_of_ai_providers_are_counted_and_logged(records):
    before = value("ai_calls_total", provider="claude", model="opus", status="failed")
    count_ai_call("claude", "opus", "failed", duration_ms=12.5)
    assert value("ai_calls_total", provider="claude", model="opus", status="failed") == before + 1
    (record,) = records.of("ai_call")
    assert (record["provider"], record["model"], record["status"], record["duration_ms"]) == (
        "claude",
        "opus",
        "failed",
        12.5,
    )


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_answer_is_in_a_format_that_the_scraper_takes(accept):
    count_request("GET", "format-test", 200, 0.1)
    body, content_type = metrics_response(accept)
    assert b"http_requests_total" in body
    assert content_type.startswith("application/openmetrics-text" if "openmetrics" in accept else "text/plain")


def test_ours_are_in_the_default_registry_that_the_application_may_show():
    count_request("GET", "default-test", 200, 0.1, "ann")
    names = {metric.name for metric in REGISTRY.collect()}
    assert {"http_requests", "http_request_duration_seconds", "ai_calls", "active_users_total"} <= names


OWN = """
from prometheus_client import Counter, Gauge, Histogram, generate_latest
request_count = Counter('http_requests_total', 'Total', ['method', 'endpoint', 'status'])
durations = Histogram('http_request_duration_seconds', 'Duration', ['method', 'endpoint'])
users = Gauge('active_users_total', 'Users')
ai = Counter('ai_calls_total', 'AI', ['provider', 'model', 'status'])
"""
BOTH_COUNT = """
request_count.labels('GET', 'x', '200').inc()
count_request('GET', 'x', 200, 0.1, 'ann')
text = generate_latest().decode()
assert text.count('# TYPE http_requests_total ') == 1, text
assert 'http_requests_total{endpoint="x",method="GET",status="200"} 1.0' in text, text
assert text.count('# TYPE active_users_total ') == 1, text
"""
IMPORT = "from logging_core.web.metrics import count_request, metrics_response\n"


@pytest.mark.parametrize(
    "program",
    [
        OWN + IMPORT + BOTH_COUNT,
        IMPORT + OWN + BOTH_COUNT,
        IMPORT + "count_request('GET', 'x', 200, 1)\n" + OWN + BOTH_COUNT,
    ],
    ids=["theirs first", "ours first", "ours first and counting"],
)
def test_metrics_of_the_application_with_the_same_names_are_its_own_to_count(program):
    run(program)


def test_threads_that_count_and_scrape_at_once_lose_nothing():
    run(
        "import sys\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from logging_core.web.metrics import count_ai_call, count_request, metrics_response\n"
        "sys.setswitchinterval(1e-6)\n"
        "def work(number):\n"
        "    count_request('GET', f'e{number % 50}', 200, 0.1)\n"
        "    count_ai_call('claude', 'opus', 'success')\n"
        "    if number % 50 == 0:\n"
        "        assert metrics_response()[0].count(b'# TYPE ai_calls_total ') == 1\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    list(pool.map(work, range(2000)))\n"
        "text = metrics_response()[0].decode()\n"
        "lines = [line for line in text.splitlines() if line.startswith(('http_requests_total{', 'ai_calls_total{'))]\n"
        "assert sum(float(line.split()[-1]) for line in lines) == 4000, lines\n"
    )


def test_several_processes_count_together(tmp_path):
    program = IMPORT + (
        "import os\n"
        "for user in ('ann', os.sys.argv[0] + str(os.getpid())):\n"
        "    count_request('GET', 'x', 200, 0.5, user)\n"
        "print(metrics_response()[0].decode())"
    )
    for number in (1, 2, 3):
        shown = series(run(program, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)).encode())
        assert shown['http_requests_total{"endpoint": "x", "method": "GET", "status": "200"}'] == 2 * number
        assert shown['http_request_duration_seconds_sum{"endpoint": "x", "method": "GET"}'] == number
        assert shown["active_users_total{}"] == 1 + number


def test_own_metrics_of_the_application_are_not_counted_twice_by_several_processes(tmp_path):
    program = (
        OWN
        + IMPORT
        + (
            "request_count.labels('GET', 'x', '200').inc()\n"
            "count_request('GET', 'x', 200, 0.1, 'ann')\n"
            "print(metrics_response()[0].decode())"
        )
    )
    shown = series(run(program, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)).encode())
    assert shown['http_requests_total{"endpoint": "x", "method": "GET", "status": "200"}'] == 1


def test_a_shared_folder_that_cannot_be_used_is_told_at_start(tmp_path):
    missing = tmp_path / "missing"
    command = [sys.executable, "-c", "import logging_core.web.metrics"]
    done = subprocess.run(
        command, env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(missing)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"PROMETHEUS_MULTIPROC_DIR: {missing}: no folder that can be written to" in done.stderr


def test_without_prometheus_client_the_error_says_what_to_install():
    program = "import sys; sys.modules['prometheus_client'] = None\nimport logging_core.web.metrics"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'tocsin[web]'" in done.stderr


def test_sharing_metrics_removes_what_an_earlier_run_has_left(tmp_path):
    for name in ("counter_1.db", "active-users-1", "other.txt"):
        Path(tmp_path, name).touch()
    run(
        "from logging_core.web.gunicorn import share_metrics; share_metrics()",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_a_temporary_folder_is_made_and_removed():
    program = (
        "import os\nfrom logging_core.web.gunicorn import share_metrics\nshare_metrics()\n"
        "folder = os.environ['PROMETHEUS_MULTIPROC_DIR']\nassert os.path.isdir(folder)\n"
        "open(folder + '/counter_1.db', 'w')\nshare_metrics()\nassert os.listdir(folder)\n"
        "if os.fork() == 0: raise SystemExit\nos.wait()\nassert os.path.isdir(folder)\nprint(folder)"
    )
    assert not Path(run(program).strip()).exists()
