"""Writes a log of any size, and its manifest."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import BinaryIO, NamedTuple

import orjson

from tocsin.planting.blocks import NUMBERS, SIZE, Composer, Planted
from tocsin.planting.ways import Kind

BEGIN = datetime(2026, 2, 19)  # noqa: DTZ001  # a log has the time of its host
ERRORS = 0.002  #: failures a record, where nothing else is said ...
ERRORS_DENSE = 0.05  #: ... and where they are to be many
_POOL = 16  # blocks that a log is made of, again and again
_DRAWN = 1 << 17  # numbers that are drawn; each block takes a run of them from another place


class Written(NamedTuple):
    """What was written."""

    bytes: int
    lines: int
    records: int
    failures: int


def manifest_of(log: Path) -> Path:
    """Where the manifest of a log is."""
    return log.with_name(f"{log.name}.manifest.jsonl")


def read_manifest(log: Path) -> Iterator[Planted]:
    """The failures that were planted in a log, in their order."""
    with manifest_of(log).open("rb") as file:
        for line in file:
            yield Planted(**orjson.loads(line))


def write_log(
    path: Path,
    size: int,
    *,
    kind: Kind = "mixed",
    errors: float | None = None,
    seed: int = 1,
    progress: Callable[[int], None] = lambda count: None,
) -> Written:
    """Write a log of `size` bytes, to within a record, and its manifest beside it. Both are there in the end, or none.

    Args:
        path: of the log; what is there is replaced.
        size: bytes; the log has as many whole records as fit.
        kind: of log.
        errors: failures a record, 0 to 1; None for those of the kind.
        seed: the same one writes the same log.
        progress: is called with the bytes that were written since it was last called.

    Raises:
        OSError: it cannot be written.
    """
    rng = Random(seed)
    if errors is None:
        errors = ERRORS_DENSE if kind == "dense" else ERRORS
    composer = Composer(kind, errors, rng)
    pool = [composer.block() for _ in range(min(_POOL, size // SIZE + 1))]
    numbers = tuple(rng.choices(range(*NUMBERS), k=_DRAWN + max(block.fields for block in pool)))
    written = Written(0, 0, 0, 0)
    with _replaced(path) as log, _replaced(manifest_of(path)) as manifest:
        for turn in count():
            block = pool[turn % len(pool)]
            at = rng.randrange(_DRAWN)
            text = block.written(BEGIN + timedelta(minutes=turn), numbers[at : at + block.fields])
            records = bisect_right(block.starts, size - written.bytes) - 1
            end = block.starts[records]
            planted = [each for each in block.planted if each.offset < end]
            log.write(text[:end])
            manifest.writelines(_entry(each, written) for each in planted)
            progress(end)
            lines = block.lines if end == block.size else text.count(b"\n", 0, end)
            written = Written(
                written.bytes + end, written.lines + lines, written.records + records, written.failures + len(planted)
            )
            if end < block.size:
                return written
    raise AssertionError


def _entry(planted: Planted, before: Written) -> bytes:
    """A line of the manifest, for what was planted in the block behind these."""
    moved = planted._replace(offset=before.bytes + planted.offset, line=before.lines + planted.line)
    return orjson.dumps(moved._asdict()) + b"\n"


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when all went well, and is gone when it did not."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException:  # Ctrl-C must leave no half of it either
        part.unlink(missing_ok=True)
        raise
