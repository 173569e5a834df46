"""What one `logger.info` with five extra fields costs the thread that calls it: `python -m benchmarks.caller`.

RedisStreamHandler with both of its buffers, beside the chain that the standard library offers for the same end: a
QueueHandler, and a QueueListener that writes a RotatingFileHandler with python-json-logger's JsonFormatter. Both write
timestamp, level, logger, message, module, function, line and the five extra fields. A NullHandler shows how much of the
price is `logging`'s own. Two paces: bursts of 20 records and a rest of 10 ms, as in a busy web process; and flat out,
where whatever works in the background competes with the caller.

Every contender runs in a process of its own, in interleaved rounds, so that a noisy machine hurts all alike; the
percentiles are those of all its calls together, after a warm-up. Both drain completely, and the run fails if a record
is missing: Tocsin's are written and fsynced by a writer in another process, as by its ingest task, the chain's in its
own.

Caveats:
    - One thread logs. More threads share the interpreter's lock with each other and with the background thread.
    - The writer does not count, group or alert; the real ingest task does, in its own process.
    - The chain's queue is unbounded and grows when flat out: its price is then that of putting off the work. Our
      buffers are sized to hold a round.
    - `perf_counter_ns` adds some 0.05 us to each call, and the call site builds its dict of extras inside it.
    - Garbage collection is on, as in an application.
"""

import argparse
import json
import logging
import multiprocessing
import tempfile
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.contenders import NAMES, REFERENCE, contender
from benchmarks.redis_server import server
from benchmarks.writer import writing

WARM_UP = 500  #: records of each process that are not counted
TMPFS = Path("/dev/shm")  # where the spool is by default


@dataclass(frozen=True, slots=True)
class Pace:
    """How the records of one round follow each other."""

    name: str
    burst: int  #: records without a rest; 0: all of them
    rest: float  #: seconds
    share: int  #: one in so many of the records asked for


PACES = (Pace("bursts", burst=20, rest=0.01, share=10), Pace("flat out", burst=0, rest=0.0, share=1))

Figures = dict[str, float]  #: p50, p99 in microseconds; their ratios to the reference


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.caller", description="The caller's cost of a record.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--records", type=int, default=100_000, help="flat out, of each contender; a tenth in bursts")
    parser.add_argument(
        "--rounds", type=int, default=5, help="they are logged in so many rounds (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not arguments.json:
        print("logger.info with five extra fields: microseconds in the caller", flush=True)
    results: dict[str, dict[str, Figures]] = {}
    with server() as redis_url:
        for pace in PACES:
            results[pace.name] = compare(pace, arguments.records // pace.share, arguments.rounds, redis_url)
            if not arguments.json:
                print(table(pace, results[pace.name]), flush=True)
    if arguments.json:
        print(json.dumps(results))


def compare(pace: Pace, records: int, rounds: int, redis_url: str) -> dict[str, Figures]:
    """Every contender's figures at this pace."""
    spent = {name: array("q") for name in NAMES}
    for number in range(rounds):
        for name in NAMES[number % len(NAMES) :] + NAMES[: number % len(NAMES)]:
            spent[name] += run_alone(name, pace, records // rounds, redis_url)
    percentiles = {name: (percentile(sorted(spent[name]), 50), percentile(sorted(spent[name]), 99)) for name in NAMES}
    p50, p99 = percentiles[REFERENCE]
    return {
        name: {"p50": own50, "p99": own99, "p50_ratio": round(own50 / p50, 2), "p99_ratio": round(own99 / p99, 2)}
        for name, (own50, own99) in percentiles.items()
    }


def run_alone(name: str, pace: Pace, records: int, redis_url: str) -> "array[int]":
    """One round in a process and a folder of its own, and with an empty stream."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with (
        tempfile.TemporaryDirectory(dir=TMPFS if name == "tocsin spool" else None) as folder,
        tempfile.NamedTemporaryFile() as file,
        writing(redis_url, Path(file.name)),
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process,
    ):
        return process.submit(measure, name, pace, records, Path(folder), redis_url).result()


def measure(name: str, pace: Pace, records: int, folder: Path, redis_url: str) -> "array[int]":
    """The nanoseconds of each call.

    Raises:
        RuntimeError: a record did not arrive.
    """
    measured = contender(name, records + WARM_UP, folder, redis_url)
    logger = logging.getLogger("shop.orders")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(measured.handler)
    calls(logger, pace, WARM_UP)
    spent = calls(logger, pace, records)
    arrived = measured.drain()
    if arrived != records + WARM_UP:
        raise RuntimeError(f"{name}: {records + WARM_UP} records were logged, {arrived} arrived")
    return spent


def calls(logger: logging.Logger, pace: Pace, records: int) -> "array[int]":
    """Log so many records at this pace; the nanoseconds of each call."""
    clock = time.perf_counter_ns
    spent = array("q", bytes(8 * records))
    for number in range(records):
        if pace.burst and number % pace.burst == 0:
            time.sleep(pace.rest)
        user, order = f"user_{number % 997}", f"order-{number}"
        start = clock()
        logger.info(
            "order placed",
            extra={"event": "order", "endpoint": "/orders", "user_id": user, "order_id": order, "amount": 41.5},
        )
        spent[number] = clock() - start
    return spent


def percentile(ordered: Sequence[int], percent: int) -> float:
    """Of nanoseconds in ascending order, in microseconds, rounded to hundredths."""
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] / 1000, 2)


def table(pace: Pace, figures: dict[str, Figures]) -> str:
    """One pace, for people."""
    lines = [f"\n{pace.name:<16}{'p50':>8}{'p99':>8}{'p50 : stdlib':>15}{'p99 : stdlib':>15}"]
    for name, own in figures.items():
        lines.append(f"{name:<16}{own['p50']:>8}{own['p99']:>8}{own['p50_ratio']:>15}{own['p99_ratio']:>15}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
