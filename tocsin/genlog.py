"""The command `tocsin genlog`: a log in which it is known what failed."""

import shutil
from pathlib import Path
from typing import Annotated

import orjson
import typer

from tocsin.errors import OperatorError
from tocsin.planting.log import Written, manifest_of, write_log
from tocsin.planting.ways import Kind
from tocsin.progress import progress

MB = 1_000_000
LARGEST = 1e9  #: megabytes
EPILOG = "Exit codes: 0 the log is written, 1 it cannot be written, 2 bad use."
_SPARE = 0.1  # of the log's size: room that is to be left for its manifest


def command(
    *,
    size: Annotated[float, typer.Option(min=0.001, max=LARGEST, metavar="MB", help="Megabytes, of 10^6 bytes.")] = 100,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The log; without: genlog-SIZEmb.log.")] = None,
    layout: Annotated[
        Kind,
        typer.Option(
            help="mixed: layouts of applications and servers; docker, cri, compose: the same out of containers; "
            "json: Tocsin's own lines; dense: Python's usual lines, one record in twenty an eight-line traceback."
        ),
    ] = "mixed",
    errors: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="RATE", help="Failures a record; without: 0.002, dense: 0.05."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same one writes the same log.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace a log that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a realistic log with failures of all twenty types, and beside it a manifest of where they are."""
    path = out or Path(f"genlog-{size:g}mb.log")
    taken = [str(each) for each in (path, manifest_of(path)) if each.exists()]
    if taken and not force:
        raise typer.BadParameter(f"{' and '.join(taken)}: there already; --force replaces it", param_hint="--out")
    written = generate(path, int(size * MB), layout, errors, seed)
    if as_json:
        manifest = {"file": str(path), "manifest": str(manifest_of(path)), "layout": layout, "seed": seed}
        typer.echo(orjson.dumps(manifest | written._asdict()))
    else:
        typer.echo(
            f"{path}: {written.bytes:,} bytes, {written.lines:,} lines, {written.records:,} records\n"
            f"{manifest_of(path)}: {written.failures:,} planted failures"
        )


def generate(path: Path, size: int, layout: Kind, errors: float | None = None, seed: int = 1) -> Written:
    """Write a log of `size` bytes and its manifest, with a progress bar; what was there is replaced.

    Raises:
        OperatorError: there is no room for it, or it cannot be written.
    """
    try:
        free = shutil.disk_usage(path.parent).free
        if free < size * (1 + _SPARE):
            raise OperatorError(f"{path}: {size:,} bytes and a manifest are wanted, and {free:,} bytes are free")
        with progress("writing", size) as tell:
            return write_log(path, size, kind=layout, errors=errors, seed=seed, progress=tell)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}; nothing was left behind") from error
