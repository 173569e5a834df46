"""The command `tocsin perf`: how fast a log is analyzed here, and how right."""

import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer

from rules import cores
from rules.analysis import Analysis, analyze
from rules.patterns import load_patterns
from rules.scanner import Scanner
from tocsin.analyze import LIMIT
from tocsin.genlog import LARGEST, MB, generate
from tocsin.planting.accuracy import Accuracy, accuracy
from tocsin.planting.log import read_manifest
from tocsin.planting.ways import Kind
from tocsin.progress import progress

GIGABYTE = 1_000_000_000
WITHIN = 3.0  #: seconds for a gigabyte
EPILOG = f"Exit codes: 0 a gigabyte would take at most {WITHIN:g} s, 1 more than that, 2 bad use."
_SHOWN = 10  # mistakes


class Measured(NamedTuple):
    """One analysis."""

    analysis: Analysis
    peak: int  #: bytes of memory, of all processes together; pages that they share are counted for each

    @property
    def seconds_per_gigabyte(self) -> float:
        """What a gigabyte of the same would take."""
        return self.analysis.seconds * GIGABYTE / self.analysis.bytes

    @property
    def is_fast(self) -> bool:
        """Whether that is within what is asked for."""
        return self.seconds_per_gigabyte <= WITHIN


def command(
    *,
    size: Annotated[float, typer.Option(min=0.1, max=LARGEST, metavar="MB", help="Megabytes, of 10^6 bytes.")] = 1000,
    layout: Annotated[Kind, typer.Option(help="As of genlog.")] = "mixed",
    seed: Annotated[int, typer.Option(metavar="N", help="As of genlog.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what was missed, and what was wrong.")] = False,
    mmap: Annotated[bool, typer.Option("--mmap/--no-mmap", help="As of analyze.")] = False,
) -> None:
    """Write a log with known failures into a temporary folder, analyze it, and tell how fast and how right that was."""
    scanner = Scanner(load_patterns())
    with tempfile.TemporaryDirectory(prefix="tocsin-perf-") as folder:
        log = Path(folder, "perf.log")
        generate(log, int(size * MB), layout, seed=seed)
        measured = _measured(log, scanner, mmap=mmap)
        # Again, since all events at once are more than an analysis keeps.
        events = analyze([str(log)], scanner, mmap=mmap).events
        right = accuracy(read_manifest(log), events)
    if as_json:
        typer.echo(orjson.dumps(_as_dict(measured, right)))
    else:
        typer.echo("\n".join(_lines(measured, right, verbose=verbose)))
    raise typer.Exit(0 if measured.is_fast else 1)


def _measured(log: Path, scanner: Scanner, *, mmap: bool) -> Measured:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is of what comes now
    with progress("reading", log.stat().st_size) as tell:
        analysis = analyze([str(log)], scanner, limit=LIMIT, mmap=mmap, progress=tell)
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of the largest; 0 where there was none
    return Measured(analysis, (own + worker * cores.usable()) * 1024)


def _as_dict(measured: Measured, right: Accuracy) -> dict[str, Any]:
    analysis = measured.analysis
    return {
        "bytes": analysis.bytes,
        "lines": analysis.lines,
        "seconds": round(analysis.seconds, 4),
        "megabytes_per_second": round(analysis.bytes / analysis.seconds / MB, 1),
        "seconds_per_gigabyte": round(measured.seconds_per_gigabyte, 3),
        "within": WITHIN,
        "reached": measured.is_fast,
        "peak_memory": measured.peak,
        **right.all.as_dict(),
        "types": {type_: share.as_dict() for type_, share in right.types.items()},
        "missed": [each._asdict() for each in right.missed[:_SHOWN]],
        "wrong": [{"type": each.type, "offset": each.offset, "line": each.line} for each in right.wrong[:_SHOWN]],
    }


def _lines(measured: Measured, right: Accuracy, *, verbose: bool) -> Iterator[str]:
    analysis = measured.analysis
    yield f"{analysis.bytes:,} bytes, {analysis.lines:,} lines in {analysis.seconds:.2f} s"
    yield f"speed        {analysis.bytes / analysis.seconds / MB:,.0f} MB/s"
    yield f"peak memory  {measured.peak / 2**20:,.0f} MiB"
    answer = "yes" if measured.is_fast else "no"
    yield f"1 GB within {WITHIN:g} s: {answer}, in {measured.seconds_per_gigabyte:.2f} s"
    yield ""
    yield f"{'':18} {'planted':>9} {'found':>9} {'right':>9}   recall  precision"
    for name, share in (*right.types.items(), ("all", right.all)):
        counts = f"{share.planted:>9,} {share.found:>9,} {share.right:>9,}"
        yield f"{name:18} {counts}  {share.recall:7.2%}  {share.precision:9.2%}"
    if verbose:
        yield from (f"missed: {each.type} ({each.how}) in line {each.line:,}" for each in right.missed[:_SHOWN])
        yield from (f"wrong: {each.type} in line {each.line:,}: {each.message}" for each in right.wrong[:_SHOWN])
