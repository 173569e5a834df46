"""What Tocsin costs an application that it is a guest of: `python -m benchmarks.guest`.

    import         `import logging_core` in a fresh interpreter, beside `import logging` alone: milliseconds more
    import names   the same with what every application takes from it (`get_logger`, `init_logging`), which are imported
                   when they are asked for: for information
    init           `init_logging()` itself, with files and with Redis (which imports redis-py): for information
    memory         an idle application that has set logging up, logged once and waits, beside one that has `logging`
                   alone: MiB more of what is its own (USS), and of all that is resident (RSS)
    request        a Flask request with the whole integration (ids, access record, metrics), beside the same application
                   bare: microseconds more

Each figure is the median over the rounds of the differences within a round; the sides take turns. Requests go through
the WSGI callable, a thousand a turn, and their records into files of `init_logging`.

Caveats:
    - Bytecode caches are warm, as where an application starts for the second time.
    - Memory is what the system says of a process of its own; redis-py counts as ours, since an application with the
      handler would not have it otherwise. Many have, and pay less.
    - The thread that writes competes with requests for the interpreter, as it does in an application.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.redis_server import server

TARGETS = {"import": 40.0, "memory files": 8.0, "memory redis": 8.0, "request": 60.0}
REQUESTS = 1_000  #: a turn
TIMED = """
import sys, time
started = time.perf_counter()
{statement}
print(time.perf_counter() - started)
"""
ALONE = "import logging"
PACKAGE = "import logging\nimport logging_core"
OURS = "import logging\nfrom logging_core import get_logger, init_logging"
SET_UP = (
    OURS + "\ninit_logging(console_level='OFF', service='bench', destination='{destination}', redis={{'url': '{url}'}})"
)
IDLE = """
import sys
{statement}
logging.getLogger("shop").warning("begun")
print(flush=True)
sys.stdin.read()
"""

#: ours, the other's, how much more; and the most that it may be.
Figures = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guest", description="What a guest costs its host.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each side (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server() as url:
        results = compare(Path(folder), url, arguments.rounds)
    print(json.dumps(results) if arguments.json else table(results))


def compare(folder: Path, url: str, rounds: int) -> dict[str, Figures]:
    """For each row, its figures."""
    with_files, with_redis = (SET_UP.format(destination=each, url=url) for each in ("files", "redis"))
    results = {
        "import": more(rounds, lambda: timed(folder, PACKAGE), lambda: timed(folder, ALONE)),
        "import names": more(rounds, lambda: timed(folder, OURS), lambda: timed(folder, ALONE)),
    }
    for name, statement in (("files", with_files), ("redis", with_redis)):
        results[f"init {name}"] = more(rounds, lambda s=statement: timed(folder, s), lambda: timed(folder, OURS))
    for name, statement in (("files", with_files), ("redis", with_redis)):
        for kind in ("uss", "rss"):
            measured = more(
                max(rounds // 4, 1),
                lambda s=statement, k=kind: idle(folder, s)[k],
                lambda k=kind: idle(folder, ALONE)[k],
            )
            results[f"memory {name}" + (" (rss)" if kind == "rss" else "")] = measured
    with application(folder, "bare") as bare, application(folder, "integrated") as integrated:
        results["request"] = more(rounds, lambda: requests(integrated), lambda: requests(bare))
    for name, target in TARGETS.items():
        results[name]["target"] = target
    return results


def more(rounds: int, ours: Any, other: Any) -> Figures:
    """Medians of both sides, and of the differences within a round; the first round is a warm-up."""
    turns = []
    for number in range(rounds + 1):
        first, second = (ours, other) if number % 2 else (other, ours)
        pair = first(), second()
        turns.append(pair if number % 2 else pair[::-1])
    median = statistics.median
    return {
        "ours": round(median(mine for mine, _ in turns[1:]), 2),
        "other": round(median(its for _, its in turns[1:]), 2),
        "more": round(median(mine - its for mine, its in turns[1:]), 2),
    }


def environment(folder: Path) -> dict[str, str]:
    """Of a child whose bytecode caches are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "cache"), "PYTHONPATH": str(Path(__file__).parents[1])}


def timed(folder: Path, statement: str) -> float:
    """Milliseconds of a statement in a fresh interpreter."""
    command = [sys.executable, "-c", TIMED.format(statement=statement)]
    done = subprocess.run(command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, check=True)
    return float(done.stdout) * 1000


def idle(folder: Path, statement: str) -> dict[str, float]:
    """Memory, in MiB, of a process that has logged one record and waits."""
    import psutil

    with subprocess.Popen(
        [sys.executable, "-c", IDLE.format(statement=statement)],
        cwd=folder, env=environment(folder),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout
        process.stdout.readline()
        time.sleep(0.3)  # the thread has done what it had to
        memory = psutil.Process(process.pid).memory_full_info()
        process.stdin.close()
    return {"uss": memory.uss / 2**20, "rss": memory.rss / 2**20}


FLASK = """
import sys, time
from flask import Flask
app = Flask("shop")
@app.get("/orders/<int:order_id>")
def order(order_id):
    return {{"order": order_id}}
if {integrated}:
    from logging_core.web.flask import setup_logging
    setup_logging(app, console_level="OFF", service="bench", resource_interval=None)
from werkzeug.test import create_environ
def answer(status, headers, *_):
    pass
def turn(count):
    spent, clock = [], time.perf_counter_ns
    for number in range(count):
        environ = create_environ(f"/orders/{{number}}")
        start = clock()
        b"".join(app(environ, answer))
        spent.append(clock() - start)
    spent.sort()
    return spent[count // 2] / 1000
for line in sys.stdin:
    print(turn(int(line)), flush=True)
"""


@contextmanager
def application(folder: Path, kind: str) -> Iterator["subprocess.Popen[str]"]:
    """A Flask application in a process of its own, which answers so many requests for each line that it reads."""
    source = FLASK.format(integrated=kind == "integrated")
    with subprocess.Popen(
        [sys.executable, "-c", source], cwd=folder, env=environment(folder), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield process
        assert process.stdin
        process.stdin.close()


def requests(process: "subprocess.Popen[str]") -> float:
    """The median microseconds of a request of one turn."""
    assert process.stdin and process.stdout
    print(REQUESTS, file=process.stdin, flush=True)
    return float(process.stdout.readline())


def table(results: dict[str, Figures]) -> str:
    """For people."""
    units = {"import": "ms", "init": "ms", "memory": "MiB", "request": "us"}
    lines = [f"{'':<22}{'ours':>10}{'other':>10}{'more':>10}{'at most':>10}"]
    for name, own in results.items():
        aim = f"{own['target']:>10.0f}" if "target" in own else f"{'':>10}"
        lines.append(
            f"{name:<22}{own['ours']:>10.2f}{own['other']:>10.2f}{own['more']:>10.2f}{aim} {units[name.split()[0]]}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
