"""Whether more producers, shards and workers cost more per record: `python -m benchmarks.growth`.

Each row logs the same number of records flat out, shared among so many processes, through one Redis and one ingest
worker with a process for each shard, until every record is fsynced. Records a second, by the clock and by the processor
time of all of them together (applications, Redis, workers), as ratios of the first row.

Caveat: where the processors are all taken, the clock can say no more; the processor time of a record still does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import redis

from benchmarks.pipeline import PATIENCE, ingesting, spool
from benchmarks.redis_server import server
from logging_core.streams.stream import open_shards

#: (shards, producers)
SIZES = ((1, 1), (1, 2), (1, 4), (1, 8), (2, 2), (2, 4), (4, 4), (4, 8))
PRODUCER = """
import sys
from benchmarks.pipeline import log, spooling
from logging_core.streams.stream import choose_shard
url, spool_dir, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
handler, logger = spooling(url, spool_dir, records)
log(logger, 100)
assert handler.flush(60, written=True)
print("ready", flush=True)
sys.stdin.readline()
log(logger, records)
assert handler.flush(120, written=True) and not handler.stats()["dropped"], handler.stats()
print("done", flush=True)
sys.stdin.readline()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--records", type=int, default=200_000, help="records of each row (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    rows = [measure(shards, producers, arguments.records) for shards, producers in SIZES]
    cores = len(os.sched_getaffinity(0))
    if arguments.json:
        print(json.dumps({"cores": cores, "rows": rows}))
        return
    print("shards  producers   records/s   ratio  cpu us/record   ratio  cores busy")
    first = rows[0]
    for row in rows:
        speed, cost = row["per_second"] / first["per_second"], row["cpu_us"] / first["cpu_us"]
        print(
            f"{row['shards']:6.0f}{row['producers']:11.0f}{row['per_second']:12,.0f}{speed:8.2f}"
            f"{row['cpu_us']:15.2f}{cost:8.2f}{row['cores_busy']:7.2f} of {cores}"
        )


def measure(shards: int, producers: int, records: int) -> dict[str, float]:
    """One row."""
    each = records // producers
    with (
        server() as url,
        tempfile.TemporaryDirectory() as folder,
        spool() as spool_dir,
        ingesting(url, Path(folder), shards),
        ExitStack() as running,
    ):
        open_shards(redis.Redis.from_url(url, protocol=2), shards)
        command = [sys.executable, "-P", "-c", PRODUCER, url, spool_dir, str(each)]
        environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
        started = [
            running.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            )
            for _ in range(producers)
        ]
        _hear(started, "ready")
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        began, cpu = time.perf_counter(), _processor_time(family)
        _tell(started)
        _hear(started, "done")
        took, cpu = time.perf_counter() - began, _processor_time(family) - cpu
        _tell(started)
    total = each * producers
    return {
        "shards": shards,
        "producers": producers,
        "per_second": total / took,
        "cpu_us": cpu / total * 1e6,
        "cores_busy": cpu / took,
    }


def _tell(started: "list[subprocess.Popen[str]]") -> None:
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()


def _hear(started: "list[subprocess.Popen[str]]", word: str) -> None:
    for process in started:
        assert process.stdout
        if process.stdout.readline() != f"{word}\n":
            raise RuntimeError(f"a producer ended with {process.wait(PATIENCE)}")


def _processor_time(family: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in family if process.is_running())


if __name__ == "__main__":
    main()
