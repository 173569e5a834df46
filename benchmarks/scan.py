"""The whole of `tocsin analyze` beside what a user would reach for: `python -m benchmarks.scan`.

Each row runs commands of their own on the same file, which is in the page cache, in turn and `--rounds` times; the
shortest time counts. `analyze` starts Python, compiles its patterns, assembles every event and makes the plan each
time; ripgrep counts the lines that the same patterns match. Python's `re` searches a part of the lines for each
pattern, one line after the other, and its time is scaled up.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from rules.patterns import load_patterns, says_so
from tocsin.planting.log import write_log

MIB = 1 << 20
RE_SAMPLE = 2 * MIB
ANALYZE = (sys.executable, "-m", "tocsin", "analyze", "--json", "--limit", "100")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=1024, help="MiB of each log (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times each command is run (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if not shutil.which("rg"):
        parser.error("ripgrep (rg) is not installed: it is in Debian's package ripgrep")
    with tempfile.TemporaryDirectory(prefix="tocsin-scan-") as folder:
        result = measure(Path(folder), arguments.size * MIB, arguments.rounds)
    if arguments.json:
        print(json.dumps(result))
        return
    for row in result["rows"]:
        print(f"{row['what']:44}{row['seconds']:8.2f} s   {row['against']:24}{row['other']:9.2f} s{row['ratio']:9.3f}")
    print(f"peak memory: {result['memory_mib']:.0f} MiB, all processes together")
    for row in result["growth"]:
        print(f"{row['mib']:6} MiB{row['seconds']:8.2f} s{row['seconds_per_gib']:8.2f} s a GiB")
    print(f"events of the mixed log: {result['events']:,}; cores: {result['cores']}")


def measure(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """All rows."""
    mixed, dense = folder / "mixed.log", folder / "dense.log"
    write_log(mixed, size, kind="mixed")
    write_log(dense, size, kind="dense")
    patterns = folder / "patterns.txt"
    sources = [pattern for each in load_patterns() for pattern in says_so(each)]
    patterns.write_text("\n".join(sources) + "\n")
    packed = folder / "mixed.log.gz"
    with mixed.open("rb") as plain, gzip.open(packed, "wb", 6) as out:
        shutil.copyfileobj(plain, out, MIB)

    def rg(path: Path) -> Callable[[], float]:
        return lambda: seconds(("rg", "-c", "-f", str(patterns), str(path)))

    def analyze(path: Path) -> Callable[[], float]:
        return lambda: seconds((*ANALYZE, str(path)))

    rows = []
    for what, path, against, other in (
        ("mixed log", mixed, "rg -c -f", rg(mixed)),
        ("one record in twenty an eight-line traceback", dense, "rg -c -f", rg(dense)),
        ("gzip", packed, "zcat", lambda: seconds(("zcat", str(packed)))),
    ):
        ours, theirs = in_turn([analyze(path), other], rounds)
        rows.append(row(what, ours, against, theirs))
    by_line = by_re(mixed, sources) * size / RE_SAMPLE
    rows.insert(1, row("mixed log", rows[0]["seconds"], "re, line by line", by_line))
    summary = json.loads(subprocess.run((*ANALYZE, str(mixed)), stdout=subprocess.PIPE, check=False).stdout)["summary"]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "bytes": size,
        "patterns": len(sources),
        "events": sum(summary.values()),
        "rows": rows,
        "memory_mib": peak_memory((*ANALYZE, str(mixed))) / MIB,
        "growth": growth(folder, mixed, size, rounds),
    }


def row(what: str, ours: float, against: str, theirs: float) -> dict[str, Any]:
    """One line of the table."""
    return {"what": what, "seconds": ours, "against": against, "other": theirs, "ratio": ours / theirs}


def in_turn(runs: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The shortest time of each."""
    for run in runs:
        run()  # warms the cache
    times = [[run() for run in runs] for _ in range(rounds)]
    return [min(each) for each in zip(*times, strict=True)]


def seconds(command: Sequence[str]) -> float:
    """How long a command takes; 1 says that something was found."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    took = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} ended with {done.returncode}")
    return took


def by_re(path: Path, sources: Sequence[str]) -> float:
    """Seconds that Python's `re` takes for the first lines of a file."""
    expressions = [re.compile(source.encode()) for source in sources]
    with path.open("rb") as log:
        lines = log.read(RE_SAMPLE).splitlines()
    began = time.perf_counter()
    found = sum(any(expression.search(line) for expression in expressions) for line in lines)
    took = time.perf_counter() - began
    if not found:
        raise SystemExit("re found nothing")
    return took


def peak_memory(command: Sequence[str]) -> float:
    """Bytes that a command and its processes hold at most, each page that they share counted once."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            held = 0
            for each in (process, *_children(process)):
                try:
                    held += each.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, held)
            time.sleep(0.01)
    return peak


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def growth(folder: Path, mixed: Path, size: int, rounds: int) -> list[dict[str, float]]:
    """The same text a quarter as long, as it is, and four times as long."""
    rows = []
    path = folder / "grown.log"
    for length in (size // 4, size, size * 4):
        path.unlink(missing_ok=True)
        with path.open("wb") as out:
            while out.tell() < length:
                with mixed.open("rb") as log:
                    left = length - out.tell()
                    while left and (piece := log.read(min(left, MIB))):
                        out.write(piece)
                        left -= len(piece)
        (took,) = in_turn([lambda: seconds((*ANALYZE, str(path)))], rounds)
        rows.append({"mib": length // MIB, "seconds": took, "seconds_per_gib": took / (length / (1024 * MIB))})
    return rows


if __name__ == "__main__":
    main()
