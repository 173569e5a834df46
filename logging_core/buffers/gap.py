"""Records that were accepted and then dropped on purpose: declared by their ordinals, so that they are not `missing`.

A declaration speaks of ordinals and not of numbers: whoever counts takes only what really did not come, so one that is
repeated, or that covers a record which arrived all the same, changes nothing.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_CODED = re.compile(r"\b(\d{1,18})-(\d{1,18}):([a-z_]{1,32})\b")
_PAGE = 4096


class Gap(NamedTuple):
    """Ordinals, both ends included, and why they were dropped."""

    first: int
    last: int
    reason: str

    def size(self, after: int, before: int) -> int:
        """How many of them lie between two ordinals, these excluded."""
        return max(min(self.last, before - 1) - max(self.first, after + 1) + 1, 0)


def coded(gaps: Iterable[Gap]) -> str:
    """As text: `11-20:drop_oldest 21-90:spill_expired`."""
    return " ".join(f"{gap.first}-{gap.last}:{gap.reason}" for gap in gaps)


def decoded(text: str) -> list[Gap]:
    """What a text declares; of what is no declaration, nothing."""
    return [Gap(int(first), int(last), reason) for first, last, reason in _CODED.findall(text)]


def explain(declared: str, after: int, before: int) -> Counter[str]:
    """Why the records between two ordinals, these excluded, never came, by reason; `missing` where nobody said."""
    numbers: Counter[str] = Counter()
    total = max(before - after - 1, 0)
    for gap in sorted(decoded(declared)):
        if size := gap.size(after, before):
            numbers[gap.reason] += size
            after = gap.last  # what two of them declare is counted once
    if undeclared := total - numbers.total():
        numbers["missing"] += undeclared
    return numbers


class Gaps:
    """What one producer dropped, kept in a file beside its segments for whoever adopts them."""

    def __init__(self, path: Path | None = None) -> None:
        self.dropped: Counter[str] = Counter()  #: records by reason
        self._path = path
        self._gaps = decoded(_read(path)) if path else []

    def reserve(self) -> None:
        """Have space for the file before it is needed, which is when tmpfs is full.

        Raises:
            OSError: there is none.
        """
        if self._path:
            descriptor = _open(self._path)
            try:
                os.posix_fallocate(descriptor, 0, _PAGE)
            finally:
                os.close(descriptor)

    def declare(self, first: int, last: int, reason: str) -> None:
        """Say that these are dropped, before they are. A file that cannot be written costs the reason after a crash."""
        self.dropped[reason] += last - first + 1
        if self._gaps and self._gaps[-1].last + 1 == first and self._gaps[-1].reason == reason:
            first = self._gaps.pop().first
        self._gaps.append(Gap(first, last, reason))
        if self._path:
            with suppress(OSError):
                self._save(self._path)

    def between(self, after: int, before: int) -> list[Gap]:
        """Those that touch the ordinals between these two."""
        return [gap for gap in list(self._gaps) if gap.size(after, before)]

    def forget(self, committed: int) -> None:
        """Nobody will ask for what lies below the committed mark."""
        if self._gaps and self._gaps[0].last <= committed:
            self._gaps = [gap for gap in self._gaps if gap.last > committed]

    def _save(self, path: Path) -> None:
        """In place and in one write, which a kill cannot tear: a second file might find no space."""
        text = coded(self._gaps).encode()
        descriptor = _open(path)
        try:
            os.pwrite(descriptor, text.ljust(_PAGE, b"\n"), 0)
            os.ftruncate(descriptor, max(len(text), _PAGE))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode("ascii", "replace")
