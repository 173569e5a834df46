"""What the realtime log costs, and what documents about such logs promise: `python -m benchmarks.realtime`.

Scenes, each with a logger, default settings and an empty folder of its own; all fail if a record that was taken is not
in the files in the end:

    basic            one thread, 200 entries a second
    concurrent       eight threads, 1250 entries a second each, in bursts of 20
    high throughput  one thread, 10,000 entries a second, in bursts of 20
    flat out         one thread, as fast as it can; an entry that a full buffer refuses is offered again

Beside them, one call's cost is compared with writing in the caller: the same entry as JSON, written and fsynced each
time, which alone makes sure that a record is on the disk before the call returns; and written without an fsync, which a
logging.FileHandler does. They take turns in rounds; the ratio is the median of the rounds'.

Caveats:
    - A hundred times faster than writing in the caller is true of writing with an fsync on a disk. Without one, the
      kernel's cache takes the line in microseconds, and what the thread saves is the wait on a disk that is slow.
    - What the realtime log has taken and not yet written, some milliseconds' worth, dies with `kill -9`.
    - Where `--folder` is on tmpfs, an fsync costs nothing, and that ratio means nothing.
    - "To the file" is the time from the call to the end of the `write`, of up to 1000 entries of a scene.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.caller import percentile
from logging_core.realtime import RealtimeLogger

PROMISED_RATE = 10_000  #: entries a second
BURST = 20  #: entries without a rest
ROUNDS, CALLS = 9, 400  #: of the comparison

#: Of a scene: offered, taken, refused, seconds, per_second, and in milliseconds caller_p50, caller_p99, file_p99.
Figures = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime", description="What the realtime log costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each scene (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(), help="on whose disk to write (default: here)")
    arguments = parser.parse_args()
    seconds: float = arguments.seconds
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix=".realtime-") as name:
        folder = Path(name)
        scenes = {
            "basic": scene(folder / "basic", threads=1, rate=200, burst=1, seconds=seconds),
            "concurrent": scene(
                folder / "concurrent", threads=8, rate=PROMISED_RATE // 8, burst=BURST, seconds=seconds
            ),
            "high throughput": scene(folder / "high", threads=1, rate=PROMISED_RATE, burst=BURST, seconds=seconds),
            "flat out": flat_out(folder / "flat", seconds),
        }
        ratios = compare(folder)
    promises = promised(scenes, ratios)
    if arguments.json:
        print(json.dumps({"scenes": scenes, "ratios": ratios, "promises": promises}))
    else:
        print(report(scenes, promises))


def entry(number: int) -> dict[str, Any]:
    """One to log."""
    return {
        "operation": "clip",
        "result": "success",
        "clip_id": number,
        "processing_stats": {"processing_time": 2.5, "clips_created": 8},
        "video_info": {"duration": 120.5, "resolution": "1920x1080"},
    }


def scene(folder: Path, *, threads: int, rate: int, burst: int, seconds: float) -> Figures:
    """So many threads, each at this rate, so many entries at a time."""
    logger = RealtimeLogger(folder)
    spent: list[list[int]] = [[] for _ in range(threads)]
    taken: list[int] = [0] * threads

    def run(thread: int) -> None:
        for number in range(int(rate * seconds)):
            due = began + (number - number % burst) / rate
            while (left := due - time.perf_counter()) > 0:
                time.sleep(left)
            given = entry(number)
            start = time.perf_counter_ns()
            taken[thread] += logger.log(given)
            spent[thread].append(time.perf_counter_ns() - start)

    began = time.perf_counter()
    workers = [threading.Thread(target=run, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return figures(logger, folder, [each for own in spent for each in own], sum(taken), began)


def flat_out(folder: Path, seconds: float) -> Figures:
    """One thread that never rests."""
    logger = RealtimeLogger(folder)
    spent, taken = [], 0
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        given = entry(taken)
        start = time.perf_counter_ns()
        accepted = logger.log(given)
        spent.append(time.perf_counter_ns() - start)
        taken += accepted
        if not accepted:
            time.sleep(0.001)
    return figures(logger, folder, spent, taken, began)


def figures(logger: RealtimeLogger, folder: Path, spent: list[int], taken: int, began: float) -> Figures:
    """What came of a scene.

    Raises:
        RuntimeError: what was taken is not what is in the files.
    """
    logger.flush(60)
    seconds = time.perf_counter() - began
    stats = logger.get_stats()
    logger.shutdown()
    lines = sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))
    if not lines == taken == stats["written"]:
        raise RuntimeError(f"{taken} entries were taken, {lines} are in the files: {stats}")
    ordered = sorted(spent)
    return {
        "offered": len(spent),
        "taken": taken,
        "refused": len(spent) - taken,
        "seconds": round(seconds, 2),
        "per_second": round(taken / seconds),
        "caller_p50": round(percentile(ordered, 50) / 1000, 4),
        "caller_p99": round(percentile(ordered, 99) / 1000, 4),
        "file_p99": stats["latency_ms"]["p99"],
    }


def compare(folder: Path) -> dict[str, float]:
    """How many times as long writing in the caller takes: with an fsync each time, and without."""
    logger = RealtimeLogger(folder / "compared")
    logger.log(entry(0))
    descriptor = os.open(folder / "synchronous.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(given: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(given).encode() + b"\n")

    def write_and_sync(given: dict[str, Any]) -> None:
        write(given)
        os.fsync(descriptor)

    ratios: dict[str, list[float]] = {name: [] for name in ("fsync", "fsync_p99", "write", "write_p99")}
    for _ in range(ROUNDS):
        ours = calls(logger.log)
        logger.flush()
        for name, theirs in (("fsync", calls(write_and_sync)), ("write", calls(write))):
            ratios[name].append(percentile(theirs, 50) / percentile(ours, 50))
            ratios[f"{name}_p99"].append(percentile(theirs, 99) / percentile(ours, 99))
    os.close(descriptor)
    logger.shutdown()
    return {name: round(statistics.median(each), 2) for name, each in ratios.items()}


def calls(log: Callable[[dict[str, Any]], object]) -> list[int]:
    """Log in bursts; the nanoseconds of each call, in ascending order."""
    spent = []
    for number in range(CALLS):
        if number % BURST == 0:
            time.sleep(0.005)
        given = entry(number)
        start = time.perf_counter_ns()
        log(given)
        spent.append(time.perf_counter_ns() - start)
    return sorted(spent)


def promised(scenes: dict[str, Figures], ratios: dict[str, float]) -> list[dict[str, str | float | bool]]:
    """What the documents promise, and what was measured."""
    high = scenes["high throughput"]
    slowest = max(each["caller_p99"] for name, each in scenes.items() if name != "flat out")
    paced = max(scenes[name]["file_p99"] for name in ("basic", "concurrent", "high throughput"))
    rows: list[tuple[str, float, float, bool]] = [
        ("entries a second, none refused", PROMISED_RATE, scenes["flat out"]["per_second"], not high["refused"]),
        ("ms in the caller, P99", 1.0, slowest, True),
        ("ms to the file, P99", 10.0, paced, True),
        ("ms in the caller, a record", 0.01, high["caller_p50"], True),
        ("times faster than write and fsync", 100, ratios["fsync"], True),
        ("the same, P99", 0, ratios["fsync_p99"], True),
        ("times faster than write alone", 0, ratios["write"], True),
        ("the same, P99", 0, ratios["write_p99"], True),
    ]
    at_least = ("entries", "times", "the same")
    return [
        {
            "what": what,
            "promised": promise,
            "measured": measured,
            "met": sound and (measured >= promise if what.startswith(at_least) else measured <= promise),
        }
        for what, promise, measured, sound in rows
    ]


def report(scenes: dict[str, Figures], promises: list[dict[str, str | float | bool]]) -> str:
    """For people."""
    lines = [f"{'':<18}{'entries/s':>11}{'refused':>9}{'caller p50':>12}{'p99':>9}{'to the file p99':>17}  (ms)"]
    lines += [
        f"{name:<18}{each['per_second']:>11,}{each['refused']:>9,}{each['caller_p50']:>12.4f}{each['caller_p99']:>9.4f}"
        f"{each['file_p99']:>17.2f}"
        for name, each in scenes.items()
    ]
    lines.append(f"\n{'':<36}{'promised':>10}{'here':>12}")
    for row in promises:
        promise = f"{row['promised']:,}" if row["promised"] else "-"
        lines.append(f"{row['what']:<36}{promise:>10}{row['measured']:>12,}{'' if row['met'] else '   not met'}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
