"""The formats that sealed files are compressed in: gzip, which every tool reads, and zstd, which is smaller and faster.

gzip is isal's where that is installed (`tocsin[server]` brings it: a tenth of zlib's time for the same ratio, 0.1 s for
100 MiB of records), else zlib's. zstd needs `tocsin[zstd]`.
"""

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol

Compression = Literal["gzip", "zstd", "none"]
CHUNK = 1 << 20  #: bytes
GZIP = 31  #: what zlib calls a window of 32 KiB with gzip's header and trailer


class Packer(Protocol):
    """One stream, compressed."""

    def compress(self, data: bytes, /) -> bytes:
        """What is ready of it."""

    def flush(self) -> bytes:
        """The rest."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of compressed file is made and known."""

    suffix: str
    magic: bytes  #: how its files begin
    packer: Callable[[], Packer]
    unpacker: Callable[[], Any]  #: with `decompress`, `eof` and `unused_data`, as zlib's

    def holds(self, file: IO[bytes]) -> bool:
        """Whether this is a compressed file of this kind, whole, whatever its name; it is read from its start."""
        file.seek(0)
        if file.read(len(self.magic)) != self.magic:
            return False
        file.seek(0)
        unpacker = self.unpacker()
        try:
            while not unpacker.eof and (chunk := file.read(CHUNK)):
                unpacker.decompress(chunk)
        except Exception:  # noqa: BLE001  # each library has an error of its own for what it cannot read
            return False
        return bool(unpacker.eof and not unpacker.unused_data and not file.read(1))


def _gzip() -> Format:
    try:
        isal = importlib.import_module("isal.isal_zlib")
    except ImportError:
        isal = zlib
    return Format(".gz", b"\x1f\x8b", lambda: isal.compressobj(wbits=GZIP), lambda: zlib.decompressobj(wbits=GZIP))


def _zstd() -> Format:
    zstandard = importlib.import_module("zstandard")
    return Format(
        ".zst",
        b"\x28\xb5\x2f\xfd",
        lambda: zstandard.ZstdCompressor(write_checksum=True).compressobj(),
        lambda: zstandard.ZstdDecompressor().decompressobj(),
    )


_FORMATS: Mapping[str, Callable[[], Format]] = {"gzip": _gzip, "zstd": _zstd}


def format_named(name: Literal["gzip", "zstd"]) -> Format:
    """A format, with what it needs imported.

    Raises:
        ValueError: what it needs is not installed, or there is no such format.
    """
    if name not in _FORMATS:
        raise ValueError(f"compression is one of gzip, zstd and none, not {name!r}")
    try:
        return _FORMATS[name]()
    except ImportError:
        raise ValueError("compression by zstd needs `pip install 'tocsin[zstd]'`") from None


def installed() -> list[Format]:
    """All formats that can be read here."""
    found = []
    for make in _FORMATS.values():
        try:
            found.append(make())
        except ImportError:
            pass  # then nothing here has made such files
    return found
