"""How many records a second go all the way: `python -m benchmarks.pipeline`.

    end to end       one process logs flat out, through Redis and a real Celery worker, until every record is fsynced;
                     beside it the standard library's chain in one process (QueueHandler, QueueListener,
                     RotatingFileHandler with python-json-logger), until the same
    writer alone     the ingest task's own Writer on a stream filled beforehand, counting and grouping included; one
                     record in a hundred is an error; records a second of its processor time, and of the clock
    after an outage  a million records that were logged while Redis was away, from the moment it is back until all are
                     fsynced; and the p99 of calls at 1,000 a second, before it went and while that goes on

Caveats:
    - End to end shares the processors among the application, Redis and the worker; the chain needs one.
    - The writer's clock time holds its fdatasyncs, and so the disk; its processor time does not.
    - End to end, the buffer is sized to hold everything, since flat out is faster than any writer. For the outage it is
      as it comes (16 MiB of memory, then a disk), and the application rests a little, as no disk takes that much.
"""

import argparse
import json
import logging
import logging.handlers
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.contenders import LINE, Stdlib
from benchmarks.redis_server import free_port, server
from logging_core import RedisStreamHandler
from logging_core.record import Encoder
from logging_core.streams.shard import Shard
from logging_core.streams.stream import append

PATIENCE = 120.0  #: seconds for everything to be written
BATCH = 500  #: records of an entry that the writer alone is given
OUTAGE = 1_000_000  #: records that wait when it is over
CHUNK, OUTAGE_PACE = 5000, 100_000  #: logged at once, and records a second, at most


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--records", type=int, default=300_000, help="records of each measurement (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    results = {
        "end to end": end_to_end(arguments.records),
        "stdlib chain": stdlib_chain(arguments.records),
        "after an outage": after_an_outage(min(arguments.records * 4, OUTAGE)),
        "writer alone": writer_alone(arguments.records),
    }
    ratio = results["end to end"]["per_second"] / results["stdlib chain"]["per_second"]
    if arguments.json:
        print(json.dumps(results | {"end to end : stdlib chain": round(ratio, 2)}))
        return
    print(f"{'records a second':<18}{'by the clock':>14}{'of processor':>14}")
    for name, figures in results.items():
        cpu = f"{figures['per_cpu_second']:>14,.0f}" if "per_cpu_second" in figures else ""
        print(f"{name:<18}{figures['per_second']:>14,.0f}{cpu}")
    print(f"end to end : stdlib chain = {ratio:.2f}")
    outage = results["after an outage"]
    print(
        f"p99 of a call: {outage['p99_us_before']:.0f} us before the outage, {outage['p99_us_beside']:.0f} us after it"
    )


def end_to_end(records: int) -> dict[str, float]:
    """Log flat out, with a worker at work."""
    with server() as url, tempfile.TemporaryDirectory() as folder, ingesting(url, Path(folder)), spool() as spool_dir:
        handler, logger = spooling(url, spool_dir, records)
        log(logger, 1000)  # connections are made, the worker is awake
        _written(handler)
        start = time.perf_counter()
        log(logger, records)
        _written(handler)
        return {"per_second": records / (time.perf_counter() - start)}


def stdlib_chain(records: int) -> dict[str, float]:
    """The same records through the standard library's chain."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Stdlib(Path(folder))
        logger = logging.Logger("shop.orders")  # noqa: LOG001  # of this measurement alone
        logger.addHandler(chain.handler)
        start = time.perf_counter()
        log(logger, records)
        chain.drain()
        for path in Path(folder).iterdir():
            with path.open("ab") as file:
                os.fsync(file.fileno())
        return {"per_second": records / (time.perf_counter() - start)}


def after_an_outage(records: int) -> dict[str, float]:
    """Log while there is no Redis, mostly onto the disk; then one comes back, empty, and the application goes on."""
    port = free_port()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        spool_dir = running.enter_context(spool())
        with server(port) as url:
            running.enter_context(ingesting(url, folder))
            handler = RedisStreamHandler(url, "bench", spool_dir=spool_dir, spill_dir=folder / "spill")
            logger = logging.Logger("shop.orders")  # noqa: LOG001  # of this measurement alone
            logger.addHandler(handler)
            log(logger, 1000)
            _written(handler)
            before = _slow_calls(logger, lambda: time.sleep(2))
        for _ in range(0, records, CHUNK):
            log(logger, CHUNK)
            time.sleep(CHUNK / OUTAGE_PACE)  # a disk takes less than an application can log
        waiting = handler.stats()["waiting"]
        with server(port):
            start = time.perf_counter()
            beside = _slow_calls(logger, lambda: _written(handler))
            took = time.perf_counter() - start
            handler.close()
    return {"per_second": waiting / took, "p99_us_before": before, "p99_us_beside": beside}


def _slow_calls(logger: logging.Logger, meanwhile: Callable[[], None]) -> float:
    """The application's p99, in microseconds, of a thousand calls a second until something else is done."""
    over, took = threading.Event(), []

    def application() -> None:
        while not over.is_set():
            began = time.perf_counter()
            log(logger, 1)
            took.append(time.perf_counter() - began)
            time.sleep(0.001)

    thread = threading.Thread(target=application)
    thread.start()
    try:
        meanwhile()
    finally:
        over.set()
        thread.join()
    return sorted(took)[int(len(took) * 0.99)] * 1e6


def writer_alone(records: int) -> dict[str, float]:
    """Fill a stream, then run the Writer in this process."""
    with server() as url, tempfile.TemporaryDirectory() as folder:
        os.environ |= _environment(url, Path(folder))
        from tasks import settings, writer

        client = redis.Redis.from_url(url, protocol=2)
        for first in range(1, records, BATCH):
            lines = b"".join(_line(number) for number in range(first, first + BATCH))
            append(client, "b" * 32, "bench", first=first, count=BATCH, body=lines, budget=2**40)
        shard = Shard(client)
        shard.lease(PATIENCE)
        run = writer.Writer(shard, settings.load())
        start, cpu = time.perf_counter(), time.process_time()
        run.run_through()
        took, cpu_took = time.perf_counter() - start, time.process_time() - cpu
        run.close()
        return {"per_second": records / took, "per_cpu_second": records / cpu_took}


@contextmanager
def ingesting(url: str, folder: Path, shards: int = 1) -> Iterator[None]:
    """A real ingest worker, and the beat that sets it to work."""
    worker = ["worker", "-Q", "ingest", "-c", str(shards + 1), "--without-gossip", "--without-mingle"]
    environment = os.environ | _environment(url, folder) | {"TOCSIN__INGEST__SHARDS": str(shards)}
    with (folder / "programs.log").open("wb") as output, ExitStack() as programs:
        for command in (worker, ["beat"]):
            line = [sys.executable, "-P", "-m", "tasks", *command]
            program = subprocess.Popen(line, env=environment, stdout=output, stderr=output)
            programs.callback(_end, program)
        yield


def _end(program: "subprocess.Popen[bytes]") -> None:
    program.terminate()
    try:
        program.wait(5)
    except subprocess.TimeoutExpired:  # a writer holds on while there is no Redis
        program.kill()
        program.wait()


def spool() -> tempfile.TemporaryDirectory[str]:
    """A spool where it is by default, but of this measurement alone."""
    return tempfile.TemporaryDirectory(prefix="tocsin-bench-", dir="/dev/shm")


def spooling(url: str, spool_dir: str, records: int) -> tuple[RedisStreamHandler, logging.Logger]:
    """Our handler, with room for all, and a logger of its own."""
    handler = RedisStreamHandler(url, "bench", spool_dir=spool_dir, max_bytes=64 * 2**20 + records * LINE)
    logger = logging.Logger("shop.orders")  # noqa: LOG001  # of this measurement alone
    logger.addHandler(handler)
    return handler, logger


def log(logger: logging.Logger, records: int) -> None:
    """Log so many records, each with five extra fields."""
    for number in range(records):
        user, order = f"user_{number % 997}", f"order-{number}"
        extra = {"event": "order", "endpoint": "/orders", "user_id": user, "order_id": order, "amount": 41.5}
        logger.info("order placed", extra=extra)


def _written(handler: RedisStreamHandler) -> None:
    if not handler.flush(PATIENCE, written=True) or handler.stats()["dropped"]:
        raise RuntimeError(f"not everything was written: {handler.stats()}")


def _line(number: int) -> bytes:
    extra = {"event": "order", "endpoint": "/orders", "user_id": f"user_{number % 997}", "amount": 41.5}
    level = logging.ERROR if number % 100 == 0 else logging.INFO
    record: dict[str, Any] = {"name": "shop.orders", "msg": f"order {number} placed", "levelno": level} | extra
    record |= {"levelname": logging.getLevelName(level), "module": "orders", "funcName": "create", "lineno": 42}
    return _encoder.encode(logging.makeLogRecord(record))


def _environment(url: str, folder: Path) -> dict[str, str]:
    (folder / "tocsin.yml").write_text("{}\n")
    return {"REDIS_URL": url, "LOG_DIR": str(folder / "logs"), "TOCSIN_CONFIG": str(folder / "tocsin.yml")}


_encoder = Encoder("bench")

if __name__ == "__main__":
    main()
