"""One entry, one record: through the pipeline where there is one, in the realtime log's files elsewhere."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from logging_core import init_logging, shutdown_logging
from logging_core.line_handler import LineHandler
from logging_core.realtime import RealtimeLogger, get_log_integrator, log_realtime, realtime_log
from logging_core.realtime import integration as realtime_integration
from logging_core.realtime import logger as realtime_logger
from logging_core.realtime.integration import RealtimeLogIntegrator
from logging_core.record import Encoder


class Pipeline(LineHandler):
    """Keeps the records that reach it."""

    def __init__(self) -> None:
        super().__init__(Encoder("shop"))
        self.records: list[dict[str, Any]] = []
        self.flushes = 0

    def put(self, line: bytes, level: int) -> None:
        self.records.append(json.loads(line))

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        self.flushes += 1
        return True


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The process begins anew, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(realtime_logger, "_PROCESS", {})
    monkeypatch.setattr(realtime_integration, "_PROCESS", {})
    yield tmp_path / "logs/realtime"
    for logger in realtime_logger._PROCESS.values():
        logger.shutdown()


@pytest.fixture
def pipeline(folder: Path) -> Iterator[Pipeline]:
    """Logging is initialised, into files below `app`; this sees the records on their way."""
    init_logging(log_dir="app", console_level="OFF")
    handler = Pipeline()
    logger = logging.getLogger("realtime")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)
    shutdown_logging()


def written(folder: Path) -> list[dict[str, Any]]:
    """What is in the realtime log's files now."""
    assert get_log_integrator().flush()
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_an_entry_goes_through_the_pipeline_and_into_no_other_file(folder: Path, pipeline: Pipeline) -> None:
    assert log_realtime({"operation": "cut", "timestamp": "2023-11-01T12:34:56"})
    [record] = pipeline.records
    assert (record["logger"], record["message"]) == ("realtime", "cut")
    assert record["function"] == "test_an_entry_goes_through_the_pipeline_and_into_no_other_file"
    assert record["timestamp"] == "2023-11-01T12:34:56.000000+00:00"
    assert get_log_integrator().flush()
    assert pipeline.flushes == 1
    assert not folder.exists()
    [line] = Path("app/app.log").read_text().splitlines()
    assert json.loads(line) == record | {"service": json.loads(line)["service"]}
    assert get_log_integrator().get_stats() == {
        "structured": 1, "filtered": 0, "invalid": 0, "error": 0, "realtime": None
    }  # fmt: skip


def test_without_a_pipeline_it_goes_to_the_files(folder: Path) -> None:
    assert log_realtime({"operation": "cut"})
    [record] = written(folder)
    assert record["operation"] == "cut"
    stats = get_log_integrator().get_stats()
    assert (stats["structured"], stats["realtime"]["written"]) == (0, 1)


def test_secrets_are_hidden_either_way(folder: Path) -> None:
    entry = {"operation": "login", "password": "hunter2", "url": "https://shop:hunter2@example.com"}
    log_realtime(entry)
    assert get_log_integrator().flush()
    init_logging(log_dir="app", console_level="OFF")
    log_realtime(entry)
    shutdown_logging()
    for text in (next(folder.glob("*.jsonl")).read_text(), Path("app/app.log").read_text()):
        assert "login" in text
        assert "hunter2" not in text


def test_who_does_not_want_the_pipeline_has_files(folder: Path, pipeline: Pipeline) -> None:
    own = RealtimeLogger(folder, "own")
    integrator = RealtimeLogIntegrator(enable_structured_logging=False, validate=False, realtime_logger=own)
    assert integrator.log({"anything": 1})
    own.shutdown()
    assert pipeline.records == []
    assert len(written(folder)) == 1


def test_the_levels_of_the_pipeline_are_honoured(pipeline: Pipeline) -> None:
    assert not log_realtime({"operation": "cut", "level": "DEBUG"})
    assert pipeline.records == []
    assert get_log_integrator().get_stats()["filtered"] == 1


def test_what_is_invalid_reaches_neither(folder: Path, pipeline: Pipeline) -> None:
    assert not log_realtime({"neither": "nor"})
    assert pipeline.records == []
    assert get_log_integrator().get_stats()["invalid"] == 1


class Failing(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError

    def flush(self) -> None:
        raise RuntimeError


def test_a_handler_that_raises_hurts_nobody(pipeline: Pipeline, capfd: pytest.CaptureFixture[str]) -> None:
    failing = Failing()
    logging.getLogger("realtime").addHandler(failing)
    try:
        assert [log_realtime({"operation": "cut"}) for _ in range(3)] == [False] * 3
        get_log_integrator().flush()
    finally:
        logging.getLogger("realtime").removeHandler(failing)
    assert get_log_integrator().get_stats()["error"] >= 3
    assert capfd.readouterr().err.count("are lost, and counted: RuntimeError") == 1


def test_a_folder_that_cannot_be_made_hurts_nobody(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder.parent.write_text("a file")
    assert [log_realtime({"operation": "cut"}) for _ in range(3)] == [False] * 3
    assert get_log_integrator().get_stats()["error"] == 3
    assert capfd.readouterr().err.count("are lost, and counted: logs/realtime: ") == 1
    folder.parent.unlink()
    assert log_realtime({"operation": "cut"})


def test_all_threads_share_one_integrator(folder: Path) -> None:
    found: list[RealtimeLogIntegrator] = []
    threads = [threading.Thread(target=lambda: found.append(get_log_integrator())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_a_call_is_logged_with_its_duration_and_its_fields_and_without_its_arguments(pipeline: Pipeline) -> None:
    @realtime_log("math_operation", category="arithmetic")
    def add(a: int, b: int) -> int:
        """Sum."""
        return a + b

    assert add(1, b=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Sum.")
    [record] = pipeline.records
    assert (record["operation"], record["category"], record["result"]) == ("math_operation", "arithmetic", "success")
    assert (record["level"], record["message"], record["module"]) == ("INFO", "math_operation", Path(__file__).stem)
    assert record["function"].endswith("add")
    assert 0 <= record["duration_ms"] < 1000
    assert not {"arguments", "returned", "error"} & record.keys()


def test_arguments_and_results_are_logged_when_asked_for(pipeline: Pipeline) -> None:
    class Shop:
        @realtime_log("order", log_args=True, log_result=True)
        def order(self, sku: str, *more: str, left: int = 3, **rest: Any) -> list[str]:
            return [sku, *more]

    Shop().order("A-1", "B-2", left=5, gift=True)
    [record] = pipeline.records
    assert record["arguments"] == {"sku": "A-1", "more": ["B-2"], "left": 5, "rest": {"gift": True}}
    assert record["returned"] == ["A-1", "B-2"]
    with pytest.raises(TypeError):
        Shop().order()  # type: ignore[call-arg]
    assert pipeline.records[1]["error"]["type"] == "TypeError"


def test_an_error_is_logged_and_goes_on(pipeline: Pipeline) -> None:
    @realtime_log("divide")
    def divide(a: int, b: int) -> float:
        return a / b

    with pytest.raises(ZeroDivisionError):
        divide(1, 0)
    [record] = pipeline.records
    assert (record["level"], record["result"]) == ("ERROR", "error")
    assert (record["error"]["type"], record["error"]["message"]) == ("ZeroDivisionError", "division by zero")
    assert "return a / b" in record["error"]["stack"]


def test_a_coroutine_is_logged_when_it_ends(pipeline: Pipeline) -> None:
    @realtime_log("wait", log_result=True)
    async def wait(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    async def main() -> None:
        assert await wait(0.02) == "done"
        task = asyncio.create_task(wait(60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    first, second = pipeline.records
    assert (first["result"], first["returned"]) == ("success", "done")
    assert first["duration_ms"] >= 19
    assert (second["result"], second["level"]) == ("cancelled", "INFO")


def test_a_generator_is_logged_at_its_end_and_stays_what_it_is(pipeline: Pipeline) -> None:
    @realtime_log("count")
    def count(to: int) -> Generator[int, str, str]:
        for number in range(to):
            assert (yield number) in (None, "sent")
        return "end"

    items = count(3)
    assert pipeline.records == []
    assert next(items) == 0
    assert items.send("sent") == 1
    items.close()
    assert list(count(3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="thrown"):
        broken = count(3)
        next(broken)
        broken.throw(ValueError("thrown"))
    assert [record["result"] for record in pipeline.records] == ["cancelled", "success", "error"]


def test_an_asynchronous_generator_too(pipeline: Pipeline) -> None:
    @realtime_log("count")
    async def count(to: int) -> AsyncGenerator[int, str]:
        for number in range(to):
            try:
                assert (yield number) in (None, "sent")
            except KeyError:
                yield 100

    async def main() -> None:
        assert [item async for item in count(2)] == [0, 1]
        items = count(3)
        assert await anext(items) == 0
        assert await items.asend("sent") == 1
        assert await items.athrow(KeyError()) == 100
        await items.aclose()
        with pytest.raises(ValueError, match="thrown"):
            broken = count(2)
            await anext(broken)
            await broken.athrow(ValueError("thrown"))

    asyncio.run(main())
    assert [record["result"] for record in pipeline.records] == ["success", "cancelled", "error"]


def test_an_asynchronous_context_manager_sees_the_cancellation_itself(pipeline: Pipeline) -> None:
    seen: list[BaseException] = []

    @asynccontextmanager
    @realtime_log("hold")
    async def hold() -> AsyncGenerator[None, None]:
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            async with hold():
                raise asyncio.CancelledError("by somebody")
        with pytest.raises(KeyboardInterrupt):
            async with hold():
                raise KeyboardInterrupt

    asyncio.run(main())
    assert [type(error) for error in seen] == [asyncio.CancelledError, KeyboardInterrupt]
    assert seen[0].args == ("by somebody",)
    assert [record["result"] for record in pipeline.records] == ["cancelled"] * 2


def test_what_the_log_refuses_does_not_change_the_call(pipeline: Pipeline) -> None:
    @realtime_log("", level=["LOUD"])
    def answer() -> int:
        return 42

    assert answer() == 42
    assert pipeline.records == []
    assert get_log_integrator().get_stats()["invalid"] == 1
