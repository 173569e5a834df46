"""The Python samples of the documents that Tocsin came from run against our names, with nothing changed but imports.

They are read from the documents as the tests run. A definition of a name that we have is taken out of a sample, so that
what runs is ours; what a sample takes for granted is supplied here.
"""

import ast
import gzip
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import prometheus_client
import pytest
from flask import Flask, g

from logging_core import context, shutdown_logging

SEEDS = Path(os.environ.get("TOCSIN_SEEDS", Path(__file__).parents[2] / "shared/seeds"))
pytestmark = [
    pytest.mark.skipif(not SEEDS.is_dir(), reason=f"the documents are not at {SEEDS}"),
    pytest.mark.filterwarnings("ignore:pythonjsonlogger.jsonlogger has been moved"),  # 004 imports it by its old name
]

#: Where a sample's module is here.
HOMES = {
    "backend_python.logging": "logging_core",
    ".logging_config": "logging_core",
    "utils.async_logging": "logging_core.async_logging",
    "src.utils.async_logging": "logging_core.async_logging",
    "src.utils.config_loader": "logging_core.async_logging",
    "src.async_logging_config_loader": "logging_core.async_logging",
    "src.exporters.log_writer": "logging_core.realtime",
    "src.exporters.log_integration_realtime": "logging_core.realtime",
}
#: What samples define although we have it -> where it is.
OURS = {
    "AsyncLoggingConfig": "logging_core.async_logging",
    "AsyncLoggingConfigLoader": "logging_core.async_logging",
    "CustomJsonFormatter": "logging_core.web",
    "setup_logging": "logging_core.web",
    "setup_tracing": "logging_core.web",
}


class Samples:
    """The samples of one document, run one after the other in one namespace."""

    def __init__(self, number: str) -> None:
        (path,) = SEEDS.glob(f"{number}_*.txt")
        self._blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
        self.names: dict[str, Any] = {"__name__": "sample", "logging": logging, "time": time}

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def run(self, *indices: int, **given: Any) -> None:
        """Run samples by their position, with these names."""
        self.names.update(given)
        for index in indices:
            # Where the document leaves something out it says so by dots, which are no Python.
            source = (
                self._blocks[index].replace("(self, ...)", "(self)").replace("            ...\n        }", "        }")
            )
            tree = ast.fix_missing_locations(_Ours().visit(ast.parse(source)))
            exec(compile(tree, f"sample {index}", "exec"), self.names)


class _Ours(ast.NodeTransformer):
    """Imports from where we have it; no definitions of what we have."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:  # ast's name
        module = "." * node.level + (node.module or "")
        if module.startswith("opentelemetry.exporter.jaeger"):
            return None  # no longer released
        return ast.ImportFrom(HOMES.get(module, module), node.names, 0)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return _imported(node.name) if node.name in OURS else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return _imported(node.name) if node.name in OURS else node


def _imported(name: str) -> ast.ImportFrom:
    return ast.ImportFrom(OURS[name], [ast.alias(name)], 0)


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOG_DIR")
    yield
    shutdown_logging()
    context.current.set(None)


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


# -- 000: the realtime log


@pytest.fixture
def realtime() -> Iterator[Samples]:
    from logging_core import realtime

    yield Samples("000")
    realtime.get_log_integrator().flush()
    realtime.get_realtime_logger().shutdown()


def test_000(realtime: Samples, tmp_path: Path) -> None:
    realtime.run(0, 1, 2)
    assert realtime["result"] == 3
    realtime.run(3)
    assert realtime["stats"]["accepted"] == 1
    realtime.run(4, video_path="x", result="clip")
    assert realtime["process_video"]("x") == "clip"

    def pause(seconds: float) -> None:
        raise InterruptedError

    realtime.run(5, collect_resource_usage=lambda: {"cpu": 1}, time=SimpleNamespace(sleep=pause))
    with pytest.raises(InterruptedError):
        realtime["monitor_resources"]()

    def some_operation() -> None:
        raise KeyError("sku")

    with pytest.raises(KeyError):
        realtime.run(6, some_operation=some_operation)
    realtime["integrator"].flush()
    written = [record for path in tmp_path.glob("logs/**/*") if path.is_file() for record in lines(path)]
    operations = [record.get("operation") for record in written]
    for operation in ("export", "clip", "math_operation", "video_processing", "monitor", "some_operation"):
        assert operations.count(operation) == 1
    failed = next(record for record in written if record.get("operation") == "some_operation")
    assert failed["error"] == {"type": "KeyError", "message": "'sku'"}
    assert len(written) == 8


# -- 001: the unified logger


def _shown(*paths: str) -> list[str]:
    shutdown_logging()
    return [record["message"] for path in paths for record in lines(path)]


def test_001_quick_start() -> None:
    samples = Samples("001")
    samples.run(0, 1, e="went wrong")
    samples.run(2)
    shutdown_logging()
    records = lines("logs/app.log")
    assert len(records) == 4
    assert records[0]["user_id"] == "user_001"
    assert records[1]["error"] == {"message": "went wrong"}
    assert [record.get("trace_id") for record in records] == [None, None, "abc-123-xyz", "abc-123"]
    assert records[3]["span_id"] == "def-456"
    assert len(lines("logs/errors.log")) == 1


def test_001_reference() -> None:
    samples = Samples("001")
    samples.run(9, 3, 4, 5, 6)
    samples["init_logging"](log_level="DEBUG")
    samples.run(7)
    assert samples["context"] == {"trace_id": "abc-123"}
    samples.run(8, 10)

    def process_data() -> None:
        raise ValueError("bad")

    samples.run(11, process_data=process_data)
    samples.run(13, expensive_function=lambda: 42)
    shutdown_logging()
    records = lines("logs/app.log")
    levels = [record["level"] for record in records]
    assert {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"} <= set(levels)
    assert [record["logger"] for record in records].count("app") == 1
    failed = [record for record in records if record.get("data_id") == "123"]
    assert [record["error"]["type"] for record in failed] == ["ValueError"]
    assert sum("42" in record["message"] for record in records) == 2
    assert lines("logs/errors.log")[-1]["message"].endswith("bad")


def test_001_with_flask() -> None:
    samples = Samples("001")
    chats: list[str] = []

    def process_chat() -> dict[str, str]:
        if not chats:
            chats.append("one")
            return {"answer": "hello"}
        raise RuntimeError("no model")

    samples.run(14, process_chat=process_chat)
    from flask import request

    samples.run(12, request=request)
    client = samples["app"].test_client()
    answered = [client.post("/api/ai/chat", headers={"X-Trace-ID": f"trace-{number}"}) for number in range(2)]
    assert [response.status_code for response in answered] == [200, 500]
    assert answered[1].json == {"error": "no model"}
    shutdown_logging()
    records = lines("logs/app.log")
    assert [record["trace_id"] for record in records] == ["trace-0"] * 2 + ["trace-1"] * 2
    assert records[-1]["error"]["type"] == "RuntimeError"


# -- 002: asynchronous logging


def test_002(capsys: pytest.CaptureFixture[str]) -> None:
    samples = Samples("002")
    samples.run(1)
    stream = samples["BinanceOrderBookStream"]()
    stream.logger.info("tick")
    assert stream.get_metrics()["log_drops"] == 0
    stream.listener.stop()
    assert [record["message"] for record in lines("logs/binance_ws.log")] == ["tick"]
    Path("config").mkdir()
    Path("config/system.yaml").write_text(
        "websocket:\n  logging: {log_level: WARNING, queue_max: 9000, to_console: false}\n"
    )
    samples.run(2, 3)
    assert samples["logging_config"].queue_max == 9000
    samples["logger"].info("below the level")
    samples["logger"].warning("tock")
    assert samples["queue_handler"].flush(10)
    samples.run(4)
    depth, deepest, dropped = (line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines())
    assert (depth, dropped) == ("0", "0")
    assert int(deepest) >= 1
    before = set(prometheus_client.REGISTRY._collector_to_names)
    samples.run(5)
    samples["update_log_metrics"](samples["queue_handler"])
    for collector in set(prometheus_client.REGISTRY._collector_to_names) - before:
        prometheus_client.REGISTRY.unregister(collector)
    samples.run(6, queue_metrics={"depth": 9000})
    samples.run(7)
    samples["listener"].stop()
    messages = [record["message"] for record in lines("logs/binance_ws.log")]
    assert messages == ["tick", "tock", "Log queue high: 9000"]


# -- 004: the web application


@pytest.fixture
def shop() -> tuple[Flask, Samples]:
    """A Flask application with our integration, and the samples of 004 that name it."""
    return _shop()


def _shop() -> tuple[Flask, Samples]:
    samples = Samples("004")
    app = Flask("shop")
    samples.run(0, app=app)
    samples["setup_logging"](app)
    app.get("/orders/<order>", endpoint="orders")(lambda order: {"order": order, "by": g.request_id})
    return app, samples


def test_004_sections_1_and_2(shop: tuple[Flask, Samples]) -> None:
    app, samples = shop
    samples.run(1, 2)
    handler = logging.StreamHandler()
    handler.setFormatter(samples["CustomJsonFormatter"]("%(timestamp)s %(level)s %(name)s %(message)s"))
    response = app.test_client().get("/orders/7", headers={"X-Request-ID": "mine-1"})
    assert response.headers["X-Request-ID"] == "mine-1"
    assert response.headers["X-Response-Time"].endswith("ms")
    assert response.json == {"order": "7", "by": "mine-1"}
    shutdown_logging()
    access = [record for record in lines("logs/app.log") if record.get("event") == "api_access"]
    assert {record["request_id"] for record in access} == {"mine-1"}
    assert {record["path"] for record in access} == {"/orders/7"}


def test_004_section_2_2(shop: tuple[Flask, Samples]) -> None:
    from sqlalchemy import create_engine, event, text
    from sqlalchemy.engine import Engine

    _, samples = shop
    samples.run(3, logger=logging.getLogger("sample"))
    engine = create_engine("sqlite://")
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n"
    with engine.connect() as connection:
        connection.execute(text(slow))
    engine.dispose()
    for name in ("before_cursor_execute", "after_cursor_execute"):  # the sample listens to every engine there will be
        event.remove(Engine, name, samples[name])
    shutdown_logging()
    assert [record["level"] for record in lines("logs/app.log") if record.get("event") == "slow_query"][:1] == [
        "WARNING"
    ]


def test_004_section_4(shop: tuple[Flask, Samples]) -> None:
    app, samples = shop
    before = set(prometheus_client.REGISTRY._collector_to_names)
    samples.run(6)
    samples.run(7)
    client = app.test_client()
    client.get("/orders/7")
    shown = client.get("/metrics").text
    assert re.search(r'http_requests_total\{.*endpoint=".*orders.*".*status="200".*\} 1.0', shown)
    assert "http_request_duration_seconds_bucket" in shown
    for collector in set(prometheus_client.REGISTRY._collector_to_names) - before:
        prometheus_client.REGISTRY.unregister(collector)


class _Spans(BaseHTTPRequestHandler):
    """Takes spans, as an OpenTelemetry collector does."""

    def do_POST(self) -> None:  # the name that http.server asks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_004_section_5() -> None:
    """In a process of its own, since tracing is set up once for a process."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Spans) as collector:
        collector.bodies = []  # type: ignore[attr-defined]
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
        environment = os.environ | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        command = [sys.executable, "-c", "from tests import test_seed_samples; test_seed_samples.trace_a_request()"]
        subprocess.run(command, env=environment, check=True, timeout=60)
        collector.shutdown()
        received = b"".join(body for path, body in collector.bodies if path == "/v1/traces")  # type: ignore[attr-defined]
    for name in (b"extract_assets", b"load_episode", b"ai_call", b"save_assets", b"script_length"):
        assert name in received


def trace_a_request() -> None:
    """Section 5 of 004, with what it takes for granted."""
    app, samples = _shop()
    samples.run(8)
    samples["setup_tracing"](app)
    saved: list[str] = []
    episode = SimpleNamespace(script_content="a script")
    samples.run(
        9,
        Episode=SimpleNamespace(query=SimpleNamespace(get=lambda number: episode)),
        ai_service=SimpleNamespace(extract_assets=str.upper),
        save_assets_to_db=saved.append,
    )
    app.get("/assets", endpoint="assets")(lambda: samples["extract_assets_with_tracing"](7))
    app.get("/traced", endpoint="traced")(lambda: logging.getLogger("shop.traced").info("inside") or "")
    client = app.test_client()
    assert client.get("/assets").text == "A SCRIPT"
    client.get("/traced")
    assert saved == ["A SCRIPT"]
    shutdown_logging()
    inside = next(record for record in lines("logs/app.log") if record["message"] == "inside")
    assert len(inside["trace_id"]) == 32
    assert len(inside["span_id"]) == 16
