"""The analysis of whole files: big ones in parts, on several cores, put together in the order of their bytes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import cast

from rules import cores
from rules.layouts import Layouts, Times
from rules.ranges import cut
from rules.reading.ahead import Ahead
from rules.reading.opening import is_pipe, open_source
from rules.reading.source import File, Source
from rules.reading.window import Window
from rules.scanner import FileScan, Scanner
from rules.tally import Tally

PART = 1 << 25  #: bytes of a big file that are scanned at a time by one process

_LINE_BREAK = ord("\n")

Reading = Callable[[memoryview], int]
Progress = Callable[[int], None]  #: is given the bytes that were read since it was called last


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file that begins and ends with a record."""

    path: str
    start: int = 0
    end: int | None = None  #: None: the end of the file


@dataclass(slots=True)
class Analysis(Tally):
    """What was found in all files."""

    files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  #: files that could not be read, or not to their end
    seconds: float = 0.0


def analyze(
    paths: Sequence[str],
    scanner: Scanner,
    *,
    limit: int | None = None,
    processes: int | None = None,
    zone: tzinfo = UTC,
    mmap: bool = False,
    progress: Progress = lambda _: None,
) -> Analysis:
    """Scan files to their ends.

    Args:
        paths: of files; `-` is standard input.
        limit: of the events that are kept; all are counted.
        processes: how many scan at once; None for one a core, where this process may be forked.
        zone: of times that do not say theirs.
        mmap: whether plain files that nobody writes to are mapped into memory.
        progress: is told what was read, as bytes of the files.
    """
    began = time.perf_counter()
    analysis = Analysis(limit, files=list(paths))
    parts: list[Part] = []
    for path in paths:
        try:
            parts += _parts(path)
        except OSError as error:
            analysis.problems.append(str(error))
    scan = PartScan(scanner, limit, zone, mmap=mmap)
    workers = min(len(parts), processes or cores.usable())
    run = cores.in_processes(scan, parts, workers, progress) if workers > 1 else _in_turn(scan, parts, progress)
    of_file, path = Tally(limit), ""
    for part, (tally, problem) in zip(parts, run, strict=True):
        if part.path != path:
            analysis.join(of_file)
            of_file, path = Tally(limit), part.path
        of_file.follow(tally)
        if problem:
            analysis.problems.append(problem)
    analysis.join(of_file)
    analysis.seconds = time.perf_counter() - began
    return analysis


class PartScan:
    """Scans parts, one after the other."""

    def __init__(self, scanner: Scanner, limit: int | None, zone: tzinfo, *, mmap: bool = False) -> None:
        self._scanner = scanner
        self._left = limit  # parts are taken in their order: when so many were found, none behind them is kept
        self._zone = zone
        self._mmap = mmap

    def __call__(self, part: Part, progress: Progress) -> tuple[Tally, str]:
        """What is in a part, and why it could not be read to its end, if that is so."""
        tally, problem = Tally(self._left), ""
        try:
            with open_source(part.path, mmap=self._mmap) as source:
                if source.is_packed:
                    with Ahead(source) as ahead:
                        self._scan(source, ahead.read, part, tally, progress)
                else:
                    self._scan(source, _until(source, part.end), part, tally, progress)
        except OSError as error:
            problem = str(error)
        if self._left is not None:
            self._left -= len(tally.events)
        return tally, problem

    def _scan(self, source: Source, read_into: Reading, part: Part, tally: Tally, progress: Progress) -> None:
        if part.start:
            source.seek(part.start)
        scan = FileScan(self._scanner, part.path, Layouts(Times(self._zone, source.modified)))
        window = Window(read_into, part.start)
        read, last = part.start, _LINE_BREAK
        while not window.ended:
            window.fill()
            text = window.text
            last = text[-1] if text else last
            found = scan.window(cast("bytearray", text.obj), len(text), window.start, final=window.settled)
            tally.add(found.events, found.unknown)
            tally.bytes += found.consumed
            tally.lines = scan.line - 1
            window.consume(found.consumed)
            progress(source.position - read)
            read = source.position
        tally.lines += last != _LINE_BREAK


def _in_turn(scan: PartScan, parts: Sequence[Part], progress: Progress) -> Iterator[tuple[Tally, str]]:
    for part in parts:
        yield scan(part, progress)


def _parts(path: str) -> list[Part]:
    """A file in parts that can be scanned at once; what is packed, or comes by a pipe, is one."""
    if is_pipe(path):
        return [Part(path)]
    with open_source(path) as source:
        if not isinstance(source, File) or source.size < 2 * PART:
            return [Part(path)]
        parts = [Part(path, *each) for each in cut(source.descriptor, 0, PART, most=source.size // PART)]
        return [*parts, Part(path, parts[-1].end or 0 if parts else 0)]


def _until(source: Source, end: int | None) -> Reading:
    """Reads a source no further than an offset."""
    if end is None:
        return source.read
    return lambda memory: source.read(memory[: max(0, end - source.position)])
