"""What a call of `get_logger(...).info` with five fields costs its thread: `python -m benchmarks.logger`.

Each row stands beside what it is compared with, in one process, in turns of some thousand calls:

    call site       our logger into the crash-safe spool, beside structlog and orjson straight to a file, both with
                    module, function and line
    no call site    the same, both without them
    redaction       our logger with secrets taken out (the default), beside the same without
    disabled        `debug` below the logger's level, beside the standard library's
    sampled out     a record that sampling does not keep, beside one that it keeps

Ratios are medians over the rounds of the ratios of the rounds' p50. The shipper of the measured handlers is at work, to
a real server, and its thread competes with the caller's, as in an application.

Caveats:
    - One thread logs. structlog writes into the file's buffer of 8 KiB, so most of its calls reach no disk, and what is
      in the buffer is lost when the process is killed; the spool's records are not.
    - structlog's processors are its documentation's for production: contextvars, level, ISO timestamps, exceptions.
    - `perf_counter_ns` adds some 0.05 us to each call of both sides; calls of `disabled` are timed by the thousand.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder

from benchmarks.redis_server import server
from benchmarks.writer import writing
from logging_core import RedisStreamHandler, get_logger
from logging_core.sampling import Sampler, Sampling

TMPFS = Path("/dev/shm")
TARGETS = {"call site": 0.8, "no call site": 1.0, "redaction": 1.3, "disabled": 1.1, "sampled out": 0.5}
CALLS = 2_000  #: a turn
LINE = 1024  #: bytes of spool for a record

Call = Callable[[str, str], None]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logger", description="The caller's cost of a call.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=30, help="turns of each contender (default: %(default)s)")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        results = compare(stack, arguments.rounds)
    print(json.dumps(results) if arguments.json else table(results))


def compare(stack: ExitStack, rounds: int) -> dict[str, dict[str, float]]:
    """For each row: p50 and p99 in microseconds of ours and of the other, and the ratio of the p50s."""
    url = stack.enter_context(server())
    stack.enter_context(writing(url, Path(stack.enter_context(tempfile.TemporaryDirectory()), "app.log")))

    def logger(name: str, **options: Any) -> Any:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=TMPFS))
        room = max(16 * 2**20, (rounds + 1) * CALLS * LINE)
        handler = RedisStreamHandler(url, service="bench", spool_dir=folder, spill_dir=None, max_bytes=room, **options)
        stack.callback(handler.close)
        own = logging.getLogger(f"bench.{name}")
        own.addHandler(handler)
        own.propagate = False
        own.setLevel(logging.INFO)
        return get_logger(f"bench.{name}.orders")

    unsampled = Sampler(Sampling(loggers={"bench.sampled": 0.0}))
    pairs: dict[str, tuple[Call, Call]] = {
        "call site": (_info(logger("site")), _info(_structlog(stack, call_site=True))),
        "no call site": (_info(logger("bare", call_site=False)), _info(_structlog(stack, call_site=False))),
        "redaction": (_info(logger("redacted")), _info(logger("plain", redact=False))),
        "sampled out": (_info(logger("sampled", sampler=unsampled)), _info(logger("kept", sampler=unsampled))),
    }
    measured: dict[str, list[tuple[list[float], list[float]]]] = {name: [] for name in TARGETS}
    disabled = get_logger("bench.site.orders")
    for number in range(rounds + 1):
        for name, (ours, theirs) in pairs.items():
            turns = [(turn(each)) for each in ((ours, theirs) if number % 2 else (theirs, ours))]
            measured[name].append((turns[0], turns[1]) if number % 2 else (turns[1], turns[0]))
        turns = [disabled_turn(each) for each in (disabled, disabled.logger)]
        measured["disabled"].append((turns[0], turns[1]))
    return {name: figures(pairs_[1:], TARGETS[name]) for name, pairs_ in measured.items()}  # the first is a warm-up


def figures(turns: list[tuple[list[float], list[float]]], target: float) -> dict[str, float]:
    """Of all rounds of a row."""
    median = statistics.median
    return {
        "p50": median(ours[0] for ours, _ in turns),
        "p99": median(ours[1] for ours, _ in turns),
        "other_p50": median(theirs[0] for _, theirs in turns),
        "other_p99": median(theirs[1] for _, theirs in turns),
        "ratio": round(median(ours[0] / theirs[0] for ours, theirs in turns), 2),
        "target": target,
    }


def turn(call: Call) -> list[float]:
    """p50 and p99 of so many calls, in microseconds."""
    spent, clock = [], time.perf_counter_ns
    for number in range(CALLS):
        user, order = f"user_{number % 997}", f"order-{number}"
        start = clock()
        call(user, order)
        spent.append(clock() - start)
    spent.sort()
    return [spent[CALLS // 2] / 1000, spent[CALLS * 99 // 100] / 1000]


def disabled_turn(logger: Any) -> list[float]:
    """The same for `debug`: means of thousands of calls."""
    spent = []
    for _ in range(20):
        start = time.perf_counter_ns()
        for _ in range(1000):
            logger.debug("order placed")
        spent.append((time.perf_counter_ns() - start) / 1_000_000)
    spent.sort()
    return [round(spent[10], 4), round(spent[-1], 4)]


def _info(logger: Any) -> Call:
    def call(user: str, order: str) -> None:
        logger.info("order placed", kind="order", endpoint="/orders", user_id=user, order_id=order, amount=41.5)

    return call


def _structlog(stack: ExitStack, *, call_site: bool) -> Any:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    parameters = [CallsiteParameter.MODULE, CallsiteParameter.FUNC_NAME, CallsiteParameter.LINENO]
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        *([CallsiteParameterAdder(parameters)] if call_site else []),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=orjson.dumps),
    ]
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    file = Path(folder, "app.log").open("ab")  # noqa: SIM115  # the stack closes it
    bytes_logger = structlog.BytesLogger(stack.enter_context(file))
    return structlog.wrap_logger(bytes_logger, processors=processors, wrapper_class=wrapper).bind()


def table(results: dict[str, dict[str, float]]) -> str:
    """For people."""
    lines = ["logger.info with five fields: microseconds in the caller", ""]
    lines.append(f"{'':<16}{'p50':>8}{'p99':>8}{'other p50':>12}{'other p99':>12}{'ratio':>8}{'aim':>8}")
    for name, own in results.items():
        numbers = f"{own['p50']:>8.2f}{own['p99']:>8.2f}{own['other_p50']:>12.2f}{own['other_p99']:>12.2f}"
        lines.append(f"{name:<16}{numbers}{own['ratio']:>8.2f}{own['target']:>8.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
