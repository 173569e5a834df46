"""The JSON files of an application that writes its own: `LOG_DIR/app.log`, `errors.log`, `<channel>.log`.

The first has all records, and records wait while it cannot be written to. The others repeat some of them: one that
cannot be written to has its lines wait here, and keeps nothing else up.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from logging_core.background import Line
from logging_core.complaints import complain
from logging_core.forks import renew_in_child
from logging_core.storage.packing import Compression
from logging_core.storage.retention import Retention
from logging_core.storage.rotation import Rotation
from logging_core.storage.shared_file import SharedFile
from logging_core.storage.upkeep import Upkeep

CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,31}")
ANY = "*"  #: of a route: any channel that has no route of its own; in its file's name it stands for the channel
_RESERVED = frozenset({"app", "errors"})
_MAX_WAITING = 1000  # lines, for each file beside the first
_MAX_CHANNELS = 64  # with a file of their own by `ANY`: a name that somebody makes up must not fill the folder


@dataclass(frozen=True, slots=True)
class Route:
    """Which lines go to a file."""

    name: str  #: of the file, in `LOG_DIR`
    level: int = logging.NOTSET  #: the least
    channel: str | None = None  #: None: records of all channels and of none; else those of one, or of `ANY`
    rotation: Rotation = field(default_factory=Rotation)
    without: frozenset[str] = frozenset()  #: channels that `ANY` is not


def standard_routes(
    rotation: Rotation, level: int = logging.NOTSET, *, ai_rotation: Rotation | None = None
) -> tuple[Route, ...]:
    """`app.log` with all records, `errors.log` with ERROR and above, and a file for each channel.

    Args:
        rotation: of the files.
        level: the least, of all files.
        ai_rotation: of `ai_responses.log`; None: that channel has no file of its own.
    """
    ai = "ai_responses"
    routes = [
        Route("app.log", level, None, rotation),
        Route("errors.log", max(level, logging.ERROR), None, rotation),
        Route("*.log", level, ANY, rotation, frozenset({ai})),
    ]
    if ai_rotation is not None:
        routes.append(Route(f"{ai}.log", level, ai, ai_rotation))
    return tuple(routes)


def channel_of(body: bytes) -> str | None:
    """The channel of a record: a valid name of one, or None."""
    if b'"channel":"' not in body:
        return None
    try:
        channel = orjson.loads(body).get("channel")
    except (ValueError, AttributeError):
        return None
    if type(channel) is not str or channel in _RESERVED or not CHANNEL.fullmatch(channel):
        return None
    return channel


class FileSink:
    """Appends lines to the files that their routes name. Several processes may write to the same files.

    Args:
        log_dir: the folder; it is made.
        routes: which lines go where; a line may go to several files, or to none. The first is no `ANY`.
        compress: what becomes of a sealed file after a minute.
        retention: how long sealed files are kept.
        clock: Unix seconds.

    Raises:
        OSError: the folder, or a file in it, cannot be made or written to.
        ValueError: what the compression needs is not installed.
    """

    def __init__(
        self,
        log_dir: Path,
        routes: Sequence[Route],
        *,
        compress: Compression = "none",
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log_dir = log_dir
        self._routes = tuple(routes)
        self._clock = clock
        self._own_channels = {route.channel for route in routes} - {None, ANY}
        self._files: dict[str, SharedFile] = {}
        self._first = routes[0].name
        self._begin()
        self.upkeep = Upkeep(log_dir, self._names, compress, retention or Retention(), clock)
        try:
            for route in self._routes:
                if route.channel != ANY:
                    self._file(route.name, route).open()
        except OSError:
            self.close()
            raise
        renew_in_child(self._begin_anew)

    def _begin(self) -> None:
        self.missed: Counter[str] = Counter()  #: lines that a file beside the first one did not take, by its name
        self._held: Sequence[Line] | None = None  # what the first file has not taken whole
        self._rest: dict[str, list[bytes]] = {}  # what is still to be written, by file
        self._failing: set[str] = set()  # files beside the first

    def write(self, lines: Sequence[Line]) -> None:
        """Append lines, to each file those that it does not have yet.

        Raises:
            OSError: of the first file; the lines are to come again.
        """
        if lines is not self._held:
            self._held = lines
            self._rest.pop(self._first, None)
            for name, bodies in self._distributed(lines).items():
                self._rest.setdefault(name, []).extend(bodies)
        self._files[self._first].append(self._rest.get(self._first, []))
        self._held = None
        self._write_beside()
        self.upkeep.start()

    def _write_beside(self) -> None:
        """To the files beside the first one; what one of them does not take waits, as far as there is room."""
        for name, rest in self._rest.items():
            try:
                self._files[name].append(rest)
            except OSError as error:
                if name not in self._failing:
                    complain(f"{self._log_dir / name} cannot be written to, and its lines wait: {error}")
                self._failing.add(name)
                if over := rest[_MAX_WAITING:]:
                    self.missed[name] += len(over)
                    del rest[_MAX_WAITING:]
            else:
                self._failing.discard(name)

    def close(self) -> None:
        """Let go of the files, and say what they miss."""
        self.upkeep.close()
        self._rest.pop(self._first, None)  # of what is not in the first file, somebody else tells
        self._write_beside()
        for name, rest in self._rest.items():
            if rest:
                self.missed[name] += len(rest)
                rest.clear()
        for name, count in self.missed.items():
            complain(f"{count} lines are not in {self._log_dir / name}; {self._first} has them")
        for file in self._files.values():
            file.close()

    def _distributed(self, lines: Sequence[Line]) -> dict[str, list[bytes]]:
        """Which lines go to which file."""
        bodies: dict[str, list[bytes]] = {}
        channels = [channel_of(line.body) for line in lines]
        for route in self._routes:
            if route.channel is None:
                bodies[route.name] = [body for level, body in lines if level >= route.level]
                continue
            for channel, (level, body) in zip(channels, lines, strict=True):
                if channel is not None and level >= route.level and (name := self._name(route, channel)):
                    bodies.setdefault(name, []).append(body)
        return bodies

    def _name(self, route: Route, channel: str) -> str | None:
        """The file that the route has for a channel."""
        if route.channel == channel:
            return route.name
        if route.channel != ANY or channel in self._own_channels or channel in route.without:
            return None
        name = route.name.replace(ANY, channel)
        if name not in self._files and len(self._files) >= len(self._routes) + _MAX_CHANNELS:
            return None
        self._file(name, route)
        return name

    def _file(self, name: str, route: Route) -> SharedFile:
        if name not in self._files:
            self._files[name] = SharedFile(self._log_dir / name, route.rotation, self._clock)
        return self._files[name]

    def _names(self) -> Collection[str]:
        """The names of the files that this process has written to: others of like names may be somebody else's."""
        return set(self._files)

    def _begin_anew(self) -> None:
        """In a forked child: files of its own, since locks go by what was opened."""
        for file in self._files.values():
            file.close()
        self._begin()
        self.upkeep.begin_anew()
