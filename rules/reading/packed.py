"""What gzip, zstd, bzip2 and xz have packed, unpacked in memory of a fixed size.

A format is known by how a file begins, never by the file's name. A file may hold several packed pieces, one behind the
other, as `cat` joins them; zeros behind the last one are padding. An archive inside an archive is read as bytes.
"""

import bz2
import importlib
import lzma
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from isal import igzip_lib

from rules.reading.source import Source, SourceError

PACKED: Final = 1 << 15  # bytes that are read at once: small, since each packed piece copies what follows it in them
PIECE: Final = 1 << 17  # bytes that are unpacked at once, at most: where a piece is damaged, so many are lost
MEMORY: Final = 1 << 27  #: bytes that an archive may ask for; `zstd --ultra -22` and `xz -9` do with it
TRUSTED: Final = 1 << 30  #: bytes that an archive may unpack to, however small it is
RATIO: Final = 200  #: and beyond them, so many times what was read of it; logs pack to a tenth, seldom to a fiftieth

HEAD: Final = 10  #: bytes at its beginning that an archive is known by


class Unpacker(Protocol):
    """What unpacks one packed piece, as `bz2.BZ2Decompressor` does."""

    @property
    def eof(self) -> bool:
        """Whether the piece has come to its end."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more in what it was given."""

    @property
    def unused_data(self) -> bytes:
        """What it was given and lies behind the piece's end."""

    def decompress(self, data: bytes, max_length: int) -> bytes | memoryview:
        """Unpack some more."""


class Format(NamedTuple):
    """How one kind of archive is read."""

    name: str
    unpacker: Callable[[], Unpacker]
    damage: Any  #: what that raises where the archive is damaged


class Unpacked(Source):
    """What is in an archive; its offsets are those of the unpacked text."""

    is_packed = True

    def __init__(self, packed: Source, form: Format, trusted: int = TRUSTED) -> None:
        """Take over an archive that stands at its beginning."""
        super().__init__(packed.name)
        self.size, self.modified = packed.size, packed.modified
        self._packed = packed
        self._form = form
        self._trusted = trusted
        self._input = memoryview(bytearray(PACKED))
        self._unpacker = form.unpacker()
        self._count = 0  # bytes unpacked
        self._failure: SourceError | None = None

    def read(self, memory: memoryview) -> int:
        """As `Source.read`; what was unpacked before the damage is given first."""
        filled = 0
        while filled < len(memory) and not self._failure:
            try:
                piece = self._piece(min(PIECE, len(memory) - filled))
            except SourceError as error:
                self._failure = error
                break
            if piece is None:
                return filled
            memory[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._count += len(piece)
            if self._count > self._trusted + RATIO * self.position:
                self._failure = self._stopped(f"unpacks to more than {RATIO} times its size")
        if self._failure and not filled:
            raise self._failure
        return filled

    def close(self) -> None:
        """Close the archive."""
        self._packed.close()

    def _piece(self, length: int) -> bytes | memoryview | None:
        """Some more of the text, perhaps nothing; None at its end."""
        data = b""
        if self._unpacker.eof:
            data = self._behind()
            if not data:
                return None
            self._unpacker = self._form.unpacker()
        elif self._unpacker.needs_input:
            data = self._more()
            if not data:
                raise self._stopped("ends too early")
        try:
            return self._unpacker.decompress(data, length)
        except self._form.damage as error:
            raise self._stopped(f"is damaged: {error}") from error

    def _behind(self) -> bytes:
        """What follows the piece that ended, without padding."""
        data = self._unpacker.unused_data.lstrip(b"\0")
        while not data and (more := self._more()):
            data = more.lstrip(b"\0")
        return data

    def _more(self) -> bytes:
        count = self._packed.read(self._input)
        self.position = self._packed.position
        return bytes(self._input[:count])

    def _stopped(self, reason: str) -> SourceError:
        where = f"read as far as byte {self.position}, which is {self._count} bytes of text"
        return SourceError(self.name, f"the {self._form.name} archive {reason}; {where}")


def _gzip() -> Format:
    return Format("gzip", lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP), igzip_lib.error)


def _bzip2() -> Format:
    return Format("bzip2", bz2.BZ2Decompressor, OSError)


def _xz() -> Format:
    return Format("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY), lzma.LZMAError)


def _zstd() -> Format:
    zstandard = importlib.import_module("zstandard")  # an extra: `tocsin[zstd]`
    decompressor = zstandard.ZstdDecompressor(max_window_size=MEMORY)
    return Format("zstd", lambda: _ZstdFrame(decompressor.decompressobj()), zstandard.ZstdError)


class _ZstdFrame:
    """Unpacks one frame, a few bytes at a time: `zstandard` gives all that is in what it is fed, a block in 4 bytes."""

    STEP: Final = 512  # bytes: at most 16 MiB of text

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._input = self._output = memoryview(b"")

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof) and not self._output

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + bytes(self._input)

    def decompress(self, data: bytes, max_length: int) -> memoryview:
        if data:
            self._input = memoryview(data)
        if not self._output:
            self._output = memoryview(self._frame.decompress(self._input[: self.STEP]))
            self._input = self._input[self.STEP :]
        piece, self._output = self._output[:max_length], self._output[max_length:]
        return piece


_FORMATS: Mapping[re.Pattern[bytes], Callable[[], Format]] = {
    re.compile(rb"\x1f\x8b\x08"): _gzip,
    re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL): _zstd,
    re.compile(rb"BZh[1-9]1AY&SY"): _bzip2,
    re.compile(rb"\xfd7zXZ\0"): _xz,
}


def is_archive(head: bytes) -> bool:
    """Whether a file that begins like this is an archive."""
    return any(magic.match(head) for magic in _FORMATS)


def format_of(head: bytes) -> Format | None:
    """The format of a file that begins like this; None of one that is no archive.

    Raises:
        ImportError: what unpacks it is not installed.
    """
    return next((form() for magic, form in _FORMATS.items() if magic.match(head)), None)
