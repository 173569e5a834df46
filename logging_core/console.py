"""Records as lines for people, on stderr; and several sinks as one."""

import os
import re
import select
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import orjson

from logging_core.background import Line, Sink
from logging_core.complaints import descriptor
from logging_core.forks import renew_in_child
from logging_core.printable import printable

_PLAIN = re.compile(r"[^\s\"'=]+")
#: What is shown in a place of its own, or tells a reader nothing.
_SHOWN = frozenset(
    {"timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process", "service"}
)  # fmt: skip
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_CHUNK = 4096  # bytes: a pipe that is ready takes so many without waiting
_PATIENCE = 0.1  # seconds for a reader that is slow


class ConsoleSink:
    """Writes readable lines to stderr, with colours where it is a terminal and `NO_COLOR` is not set.

    It never raises and hardly waits: what a broken, closed or stopped reader does not take is counted in `lost`.

    Args:
        level: the least.
        stream: instead of what `sys.stderr` is at the time.
    """

    def __init__(self, level: int = 0, stream: TextIO | None = None) -> None:
        self._level = level
        self._stream = stream
        self._begin()
        renew_in_child(self._begin)

    def _begin(self) -> None:
        self._patience = _PATIENCE
        self.lost = 0  #: lines

    @property
    def missed(self) -> dict[str, int]:
        """What was lost, as a handler's `stats` has it."""
        return {"console": self.lost} if self.lost else {}

    def write(self, lines: Sequence[Line]) -> None:
        """Show lines."""
        stream = self._stream or sys.stderr
        wanted = [line for line in lines if line.level >= self._level]
        if not wanted:
            return
        try:
            colours = _wants_colours(stream)
            shown = [readable(line.body, colours=colours) for line in wanted]
        except Exception:  # noqa: BLE001  # no stderr at all, or one that somebody has closed
            self.lost += len(wanted)
            return
        for count, text in enumerate(shown):
            if not self._show(stream, text):
                self.lost += len(shown) - count
                return

    def close(self) -> None:
        """Stderr is not ours to close."""

    def _show(self, stream: TextIO, text: str) -> bool:
        try:
            number = descriptor(stream)
            if number is None:
                stream.write(text)
                stream.flush()
            else:
                self._send(number, text.encode(stream.encoding or "utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001  # whatever a stream raises, the application must not notice
            return False
        return True

    def _send(self, number: int, data: bytes) -> None:
        """Write in pieces, each when there is room for it.

        Raises:
            OSError: there was none for a while; from then on nobody waits until there is some again.
        """
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if not poll.poll(self._patience * 1000):
                self._patience = 0.0
                raise BlockingIOError
            rest = rest[os.write(number, rest[:_CHUNK]) :]
        self._patience = _PATIENCE


class Tee:
    """Several sinks as one. Lines that come again after an error go only to those sinks that do not have them yet."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._held: Sequence[Line] | None = None
        self._left: tuple[Sink, ...] = ()

    def write(self, lines: Sequence[Line]) -> None:
        """Hand lines to each sink.

        Raises:
            OSError: at least one has not taken them.
        """
        if lines is not self._held:
            self._held, self._left = lines, self._sinks
        failed: list[tuple[Sink, OSError]] = []
        for sink in self._left:
            try:
                sink.write(lines)
            except OSError as error:
                failed.append((sink, error))
        self._left = tuple(sink for sink, _ in failed)
        if failed:
            raise failed[0][1]
        self._held = None

    @property
    def missed(self) -> dict[str, int]:
        """The lines that each sink, or a part of one, has gone without."""
        return {name: count for sink in self._sinks for name, count in getattr(sink, "missed", {}).items()}

    def close(self) -> None:
        """Close each sink."""
        for sink in self._sinks:
            sink.close()


def readable(body: bytes, *, colours: bool = False) -> str:
    """A record's JSON line as text: time, level, logger, message, its own fields; then the stack, indented."""
    record: Mapping[str, Any] = orjson.loads(body)
    level = printable(str(record.get("level", "")))
    painted = f"{level:<8}"
    if colours and level in _COLOURS:
        painted = f"\x1b[{_COLOURS[level]}m{painted}\x1b[0m"
    parts = [
        printable(str(record.get("timestamp", ""))[:23]) + "Z",
        painted,
        f"{printable(str(record.get('logger', '')))}:",
    ]
    parts.append(printable(str(record.get("message", ""))))
    parts += [f"{_value(key)}={_value(value)}" for key, value in record.items() if key not in _SHOWN | {"error"}]
    stack = ""
    error = record.get("error")
    if isinstance(error, dict):
        stack = error.get("stack") or ""
        if not stack:
            parts.append(f"error={_value(': '.join(str(error[key]) for key in ('type', 'message') if key in error))}")
    text = " ".join(parts) + "\n"
    return text + "".join(f"    {printable(line)}\n" for line in str(stack).splitlines())


def _value(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return printable(value)
    return printable(orjson.dumps(value).decode())


def _wants_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
