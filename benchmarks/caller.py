"""What one `logger.info` with five extra fields costs the thread that calls it: `python -m benchmarks.caller`.

RedisStreamHandler with both of its buffers, beside the chain that the standard library offers for the same end: a
QueueHandler, and a QueueListener that writes a RotatingFileHandler with python-json-logger's JsonFormatter. Both write
timestamp, level, logger, message, module, function, line and the five extra fields. A NullHandler shows how much of the
price is `logging`'s own. Two paces: bursts of 20 records and a rest of 10 ms, as in a busy web process; and flat out,
where whatever works in the background competes with the caller.

Every contender has a process of its own, for all rounds. They take turns: one logs its share of the records, and has
them all arrive, before the next one begins, so that a noisy machine hurts all alike. Percentiles, and their ratios to
the reference, are those of a round, after a warm-up; printed are their medians over the rounds, and between which
values the middle half of the ratios lies. The run fails if a record is missing: Tocsin's are written and fsynced by a
writer in another process, as by its ingest task, the chain's in its own.

Caveats:
    - One thread logs. More threads share the interpreter's lock with each other and with the background thread.
    - The writer does not count, group or alert; the real ingest task does, in its own process.
    - The chain's queue is unbounded and grows when flat out: its price is then that of putting off the work. Our
      buffers are sized to hold a whole run.
    - `perf_counter_ns` adds some 0.05 us to each call, and the call site builds its dict of extras inside it.
    - Where two CPUs are one core, each call takes half as long again while the other CPU is busy: a round has either
      price. On such a machine, look at many rounds.
    - Garbage collection is on, as in an application.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import redis

from benchmarks.contenders import NAMES, REFERENCE, Contender, contender
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

#: p50, p99 in microseconds; their ratios to the reference, each with its `_low` and `_high` quartile.
Figures = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.caller", description="The caller's cost of a record.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--records", type=int, default=200_000, help="flat out, of each contender; a tenth in bursts")
    parser.add_argument(
        "--rounds", type=int, default=20, help="they are logged in so many rounds (default: %(default)s)"
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
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(application(name, records, redis_url)) for name in NAMES}
        for process in processes.values():
            process.submit(log, pace, WARM_UP).result()
        for number in range(rounds):
            for name in NAMES[number % len(NAMES) :] + NAMES[: number % len(NAMES)]:
                spent = sorted(processes[name].submit(log, pace, records // rounds).result())
                measured[name].append((percentile(spent, 50), percentile(spent, 99)))
        for name, process in processes.items():
            logged, arrived = WARM_UP + rounds * (records // rounds), process.submit(end).result()
            if arrived != logged:
                raise RuntimeError(f"{name}: {logged} records were logged, {arrived} arrived")
    return {name: summary(own, measured[REFERENCE]) for name, own in measured.items()}


def summary(own: list[tuple[float, float]], reference: list[tuple[float, float]]) -> Figures:
    """The figures of one contender from the p50 and p99 of its rounds, and of the reference's."""
    figures = {}
    for index, name in enumerate(("p50", "p99")):
        figures[name] = statistics.median(each[index] for each in own)
        ratios = sorted(each[index] / its[index] for each, its in zip(own, reference, strict=True))
        figures[f"{name}_ratio"] = round(statistics.median(ratios), 2)
        figures[f"{name}_ratio_low"] = round(ratios[len(ratios) // 4], 2)
        figures[f"{name}_ratio_high"] = round(ratios[-1 - len(ratios) // 4], 2)
    return figures


@contextmanager
def application(name: str, records: int, redis_url: str) -> Iterator[ProcessPoolExecutor]:
    """A process that logs by way of one contender, into a folder and a Redis database of its own."""
    url = f"{redis_url.rpartition('/')[0]}/{NAMES.index(name)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    with (
        tempfile.TemporaryDirectory(dir=TMPFS if name == "tocsin spool" else None) as folder,
        tempfile.NamedTemporaryFile() as file,
        writing(url, Path(file.name)),
        ProcessPoolExecutor(1, get_context("spawn"), begin, (name, records + WARM_UP, Path(folder), url)) as process,
    ):
        yield process


_LOGGER = logging.getLogger("shop.orders")
_CONTENDERS: list[Contender] = []  # the one of this process


def begin(name: str, records: int, folder: Path, redis_url: str) -> None:
    """In an application: hang the contender on its logger."""
    own = contender(name, records, folder, redis_url)
    _CONTENDERS.append(own)
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
    _LOGGER.addHandler(own.handler)


def log(pace: Pace, records: int) -> "array[int]":
    """In an application: log so many records, and wait until they have arrived; the nanoseconds of each call."""
    spent = calls(_LOGGER, pace, records)
    _CONTENDERS[0].settle()
    return spent


def end() -> int:
    """In an application: how many records have arrived."""
    return _CONTENDERS[0].drain()


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
    lines = [f"\n{pace.name:<16}{'p50':>8}{'p99':>8}{'p50 : stdlib':>20}{'p99 : stdlib':>20}"]
    for name, own in figures.items():
        ratios = (
            f"{own[f'{each}_ratio']:.2f} ({own[f'{each}_ratio_low']:.2f}-{own[f'{each}_ratio_high']:.2f})"
            for each in ("p50", "p99")
        )
        lines.append(f"{name:<16}{own['p50']:>8.2f}{own['p99']:>8.2f}" + "".join(f"{each:>20}" for each in ratios))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
