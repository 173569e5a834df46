"""Failures as they are written: files followed over rotation, and each event as soon as its record is whole."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from rules.analysis import Analysis
from rules.event import Event
from rules.layouts import Layouts, Times
from rules.reading.follow import follow
from rules.reading.follow_pipe import LivePipe
from rules.reading.opening import is_pipe, open_pipe
from rules.reading.source import SourceError
from rules.reading.window import Window
from rules.records import Records
from rules.scanner import FileScan, Scanner

if TYPE_CHECKING:
    from rules.reading.growing import Growing


class LiveAnalysis:
    """Follows files from their beginnings, or one pipe; `analysis` counts what came so far, and has no events."""

    def __init__(self, paths: Sequence[str], scanner: Scanner, zone: tzinfo) -> None:
        self.analysis = Analysis(limit=0)
        self._paths = paths
        self._scanner = scanner
        self._zone = zone
        self._scans: WeakKeyDictionary[Growing | LivePipe, _GrowingScan] = WeakKeyDictionary()

    def events(self, stop: Callable[[], bool], tell: Callable[[str], object]) -> Iterator[list[Event]]:
        """Events as they come, until told to stop, or the pipe comes to its end.

        Args:
            stop: is asked some times a second.
            tell: is given what cannot be read, and why.
        """
        began = time.monotonic()

        def report(error: SourceError) -> None:
            self.analysis.problems.append(str(error))
            tell(str(error))

        for growing in self._looks(stop, report):
            scan = self._scans.get(growing)
            if scan is None:
                scan = self._scans[growing] = _GrowingScan(growing.path, self._scanner, self._zone)
                self.analysis.files.append(growing.path)
            yield scan.look(growing.window, self.analysis)
        self.analysis.seconds = time.monotonic() - began

    def _looks(self, stop: Callable[[], bool], report: Callable[[SourceError], None]) -> "Iterator[Growing | LivePipe]":
        if not is_pipe(self._paths[0]):
            yield from follow(self._paths, report, stop=stop)
            return
        try:
            with open_pipe(self._paths[0]) as pipe:
                yield from LivePipe(pipe).looks(stop)
        except SourceError as error:
            report(error)


class _GrowingScan:
    """The scan of one file that grows."""

    def __init__(self, path: str, scanner: Scanner, zone: tzinfo) -> None:
        self._layouts = Layouts(Times(zone))
        self._records = Records(self._layouts)
        self._scan = FileScan(scanner, path, self._layouts)

    def look(self, window: Window, analysis: Analysis) -> list[Event]:
        """The events of the records that are whole."""
        whole = self._whole(window)
        if not whole:
            return []
        lines = self._scan.line
        found = self._scan.window(_buffer(window), whole, window.start, final=True)
        window.consume(found.consumed)
        analysis.add(found.events, found.unknown)
        analysis.bytes += found.consumed
        analysis.lines += self._scan.line - lines
        return found.events

    def _whole(self, window: Window) -> int:
        """Bytes of the records that will not go on: all but the last, unless nothing came for a while."""
        size = len(window.text)
        if window.settled:
            return size
        text = _buffer(window)
        first = bytes(window.text[: text.find(b"\n", 0, size)])
        last = self._records.last(text, size, is_wrapped=self._layouts.unwrap(first) is not None)
        if 0 < last < size:
            return last
        return size if size == Window.SIZE else 0


def _buffer(window: Window) -> bytearray:
    return cast("bytearray", window.text.obj)  # which the text begins, right after it was filled
