"""Files followed live, over rotation: each byte once, in the order in which it was written.

Files are looked at by polling, some times a second: that costs a few microseconds a file, works where the kernel tells
nothing of changes (network file systems, bind mounts, overlays), and nobody who is alerted notices it.

A file is known by its inode. One that was renamed or removed is read for a while longer, since a process may still
hold it open, and then let go. When a name stands for another file, what it stood for in between is read first. Of a
file that was copied and then cut, the copy is read to its end. What is written into a file after it was copied and
before it is cut is lost, for every reader. Archives do not grow, and are not followed.
"""

import glob
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Final

from rules.reading.growing import MARK, Growing
from rules.reading.packed import HEAD, is_archive
from rules.reading.paths import expand
from rules.reading.source import SourceError, open_file
from rules.siblings import identity, siblings

PAUSE: Final = 0.15  #: seconds between two looks
LOOK_AGAIN: Final = 1.0  #: seconds between two looks for files that were not there before
LINGER: Final = 2.0  #: seconds without growth after which a file that has lost its name is let go
REMEMBERED: Final = 1000  #: files that were let go and are known again if they come back
_LAG: Final = 20_000_000  # ns by which the clock of a file system may lag behind ours

Report = Callable[[SourceError], object]


def follow(
    patterns: Sequence[str], report: Report, *, stop: Callable[[], bool] = lambda: False, from_end: bool = False
) -> Iterator[Growing]:
    """Each file when there is something new in its window, until told to stop; then each with all that is left.

    The window holds whole lines. The consumer consumes what it is done with; where the window is `settled`, nothing
    came for a while, and it should consume everything. A last line without its end is shown a while later still.

    Args:
        patterns: paths, folders and globs; what they stand for is looked at again each second.
        report: is told of what cannot be read, once each.
        stop: asked before each look.
        from_end: whether only what is added to files from now on is of interest.
    """
    with closing(Follower(patterns, report, from_end=from_end)) as follower:
        while not stop():
            yield from follower.look()
            time.sleep(PAUSE)
        yield from follower.last_look()


class Follower:
    """The files that are followed, as they stand."""

    def __init__(self, patterns: Sequence[str], report: Report, *, from_end: bool = False) -> None:
        self._patterns = patterns
        self._report = report
        self._from_end = from_end
        self._looked_at = self._looked_before = 0  # when the patterns were looked at, and the time before, Unix ns
        self._paths: list[str] = []
        self._stood: dict[str, str] = {}  # path -> identity of the file that it last stood for
        self._aside: dict[str, str] = {}  # the same, of files that are not followed by this name
        self._growing: dict[str, Growing] = {}  # by identity, in the order in which they are read
        self._left: dict[str, Growing] = {}  # let go

    def look(self) -> Iterator[Growing]:
        """Each file when there is something new in its window."""
        named = self._take_up()
        for who in list(self._growing):
            try:
                yield from self._look_at(who, has_name=who in named)
            except SourceError as error:
                self._report(error)
                self._aside[self._growing[who].path] = who
                self._let_go(who)

    def last_look(self) -> Iterator[Growing]:
        """Each file with all that is left."""
        yield from self.look()
        for growing in self._growing.values():
            with suppress(SourceError):  # it was told of, or came in this moment
                yield from growing.last_look()

    def close(self) -> None:
        """Let go of all files."""
        for who in list(self._growing):
            self._let_go(who)

    def _look_at(self, who: str, *, has_name: bool) -> Iterator[Growing]:
        growing = self._growing[who]
        offset = growing.cut_to()
        if offset is not None:
            cut, growing = growing, growing.anew(offset)
            self._growing[who] = growing
            yield from self._rest_of(cut)
        yield from growing.looks()
        if not has_name and time.monotonic() - growing.grown_at > LINGER:
            yield from growing.last_look()
            self._let_go(who)

    def _rest_of(self, cut: Growing) -> Iterator[Growing]:
        """What was in a file when it was cut and had not been read, as far as a copy holds it."""
        for path, _ in self._rotated(cut.path):
            with suppress(SourceError), open_file(path) as copy:
                if cut.offset >= MARK and cut.is_in(copy):
                    cut.attach(copy)
                    yield from cut.last_look()
                    return
        yield from cut.last_look()

    def _take_up(self) -> set[str]:
        """Open what has come; the identities of all files that have a name."""
        is_first = not self._looked_at
        now = time.time_ns()
        if abs(now - self._looked_at) >= LOOK_AGAIN * 1e9:  # it may be set back
            self._looked_before, self._looked_at = self._looked_at, now
            self._paths = expand(self._expanded(), self._report)
        named = self._identities()
        fresh = [path for path, who in named.items() if who not in self._growing and self._aside.get(path) != who]
        if not is_first and fresh:
            fresh = self._without_copies(fresh, named)
        for path in fresh:
            before = [] if is_first else self._missed(path, named)
            if all(self._open(each, who) for each, who in before):
                self._open(path, named[path], at_end=is_first and self._from_end)
        self._stood |= {path: who for path, who in named.items() if who in self._growing}
        return set(named.values())

    def _expanded(self) -> Iterator[str]:
        for pattern in self._patterns:
            paths = [pattern] if os.path.lexists(pattern) else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # as it was given
            yield from paths or [pattern]

    def _identities(self) -> dict[str, str]:
        found = {}
        for path in self._paths:
            with suppress(OSError):
                found[path] = identity(os.stat(path))  # noqa: PTH116  # as it was given
        return found

    def _without_copies(self, fresh: list[str], named: dict[str, str]) -> list[str]:
        """Without what rotation makes of files that are followed, which is looked for when they are cut or renamed."""
        made = {sibling.path for sibling in siblings(self._stood.keys() - fresh) if sibling.is_numbered}
        self._aside |= {path: named[path] for path in fresh if path in made}
        return [path for path in fresh if path not in made]

    def _missed(self, path: str, named: dict[str, str]) -> list[tuple[str, str]]:
        """(path, identity) of what the name stood for between the file it last stood for and this one, oldest first."""
        last = self._stood.get(path, "")
        before = self._growing.get(last) or self._left.get(last)
        since = before.written_at() if before else self._looked_before - _LAG
        known = self._growing.keys() | self._left.keys() | set(named.values())
        found = [(_written_at(each), each, who) for each, who in self._rotated(path) if who not in known]
        return [(each, who) for written, each, who in sorted(found) if written >= since]

    def _rotated(self, path: str) -> list[tuple[str, str]]:
        """(path, identity) of what rotation has made of this file, and of those before it."""
        return [(each.path, each.identity) for each in siblings([path]) if each.is_numbered]

    def _open(self, path: str, who: str, *, at_end: bool = False) -> bool:
        """Follow the file of this identity; False where the path stands for another one by now: look again then."""
        try:
            file = open_file(path)
        except SourceError as error:
            return self._refuse(path, who, error)
        if file.identity != who:
            file.close()
            return False
        if is_archive(file.head(HEAD)):
            file.close()
            reason = "is an archive, which does not grow; it is not followed"
            return self._refuse(path, who, SourceError(path, reason))
        left = self._left.pop(who, None)
        known = left.offset if left and left.is_in(file) else 0
        self._growing[who] = Growing(path, file, file.size if at_end else known)
        return True

    def _refuse(self, path: str, who: str, error: SourceError) -> bool:
        """Whether the file is still there, and was told of; else it went away in this moment."""
        if not os.path.lexists(path):
            return False
        self._aside[path] = who
        self._report(error)
        return True

    def _let_go(self, who: str) -> None:
        growing = self._growing.pop(who)
        growing.close()
        self._left[who] = growing
        if len(self._left) > REMEMBERED:
            del self._left[next(iter(self._left))]


def _written_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0
