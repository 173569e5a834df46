"""Blocks of a log: some thousand records of one minute, composed once, and written again and again for other minutes.

A block is a format for `%`. All that varies has a fixed width, so where each record begins is known before it is
written. That is what makes a gigabyte a matter of seconds.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import cycle
from random import Random
from typing import NamedTuple

from tocsin.planting.layouts import CONTAINERS, MARKS, MINUTE, Moment
from tocsin.planting.ordinary import Ordinary
from tocsin.planting.ways import Kind, ways

SIZE = 1 << 20  #: bytes of a block, about
NUMBERS = (10_000, 99_999)  #: what a number in a block may be
_VARIES = "§".encode()  # a number, in all texts of this package
_FIELD = b"%05d"


class Planted(NamedTuple):
    """A failure, and where the record that tells of it begins."""

    type: str
    offset: int  #: bytes
    line: int  #: from 1
    how: str  #: see `Way`


class Block(NamedTuple):
    """Some records; offsets and lines are within the block."""

    form: bytes  #: for `%`, of as many numbers as `fields` says
    fields: int
    starts: Sequence[int]  #: of each record and, last, the size of it all
    lines: int
    planted: Sequence[Planted]

    @property
    def size(self) -> int:
        """Bytes, whatever the minute and the numbers."""
        return self.starts[-1]

    def written(self, minute: datetime, numbers: tuple[int, ...]) -> bytes:
        """The block as of a minute, with `fields` numbers of five digits."""
        text = self.form % numbers
        for mark in MARKS:
            text = text.replace(MINUTE.strftime(mark).encode(), minute.strftime(mark).encode())
        return text


class Composer:
    """Composes blocks of one kind.

    Args:
        kind: of log.
        errors: how many of the records are failures, from 0 to 1.
        rng: whatever is left to chance; the same one composes the same blocks.
    """

    def __init__(self, kind: Kind, errors: float, rng: Random) -> None:
        self._errors = errors
        self._rng = rng
        self._ordinary = Ordinary(kind, rng)
        self._contained = CONTAINERS.get(kind)
        self._ways = cycle(ways(kind, rng))
        self._due = 1.0  # so much of a failure has come together

    def block(self) -> Block:
        """Another block. Failures come at regular distances, all ways in turn."""
        records, starts, planted = [], [0], []
        lines = fields = 0
        while starts[-1] < SIZE:
            moment = Moment(starts[-1] * 60_000 // SIZE)
            self._due += self._errors
            if self._due > 1:
                self._due -= 1
                way = next(self._ways)
                planted.append(Planted(way.type, starts[-1], lines + 1, way.how))
                text = way.write(moment, self._rng)
            else:
                text = self._ordinary.record(moment)
            if self._contained:
                text = self._contained(moment, text)
            record = text.encode()
            numbers = record.count(_VARIES)
            starts.append(starts[-1] + len(record) + numbers * (len(str(NUMBERS[0])) - len(_VARIES)))
            lines += record.count(b"\n")
            fields += numbers
            records.append(record)
        form = b"".join(records).replace(b"%", b"%%").replace(_VARIES, _FIELD)
        return Block(form, fields, starts, lines, planted)
