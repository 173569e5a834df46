"""Any path opened as a source: plain text, an archive by its first bytes, UTF-16, standard input."""

import os
from contextlib import ExitStack

from rules.reading.mapped import MappedFile, may_be_mapped
from rules.reading.packed import HEAD, TRUSTED, Unpacked, format_of
from rules.reading.source import File, Pipe, Source, SourceError, open_file
from rules.reading.transcoded import Transcoded, codec_of

STANDARD_INPUT = "-"
_DESCRIPTORS = ("/dev/stdin", "/dev/fd/")  # what a shell writes for `<(journalctl)`


def open_source(path: str | os.PathLike[str], *, mmap: bool = False, trusted: int = TRUSTED) -> Source:
    """What lies at a path, unpacked; standard input is `-`.

    Args:
        path: of a regular file, or of a descriptor of this process (`/dev/stdin`, `/dev/fd/63`).
        mmap: whether a plain file that nobody seems to write to is mapped; see `MappedFile` for why it seldom pays.
        trusted: bytes that an archive may unpack to before its ratio is looked at.

    Raises:
        SourceError: it is not there, not ours to read, no regular file, or packed by what is not installed.
    """
    name = os.fspath(path)
    found = open_pipe(name) if is_pipe(name) else open_file(name)
    with ExitStack() as unless_opened:
        unless_opened.callback(found.close)
        head = found.head(HEAD)
        source = _unpacked(found, head, trusted)
        if mmap and source is found and isinstance(found, File) and may_be_mapped(found):
            source = MappedFile(name, found.descriptor)
        unless_opened.pop_all()
    return source


def is_pipe(name: str) -> bool:
    """Whether a path stands for what this process was given open, which is read as it comes, and once."""
    return name == STANDARD_INPUT or name.startswith(_DESCRIPTORS)


def open_pipe(name: str) -> Pipe:
    """What this process was given open by that name.

    Raises:
        SourceError: it was not.
    """
    try:
        return Pipe(name, os.dup(0) if name == STANDARD_INPUT else os.open(name, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise SourceError(name, error) from error


def _unpacked(found: Source, head: bytes, trusted: int) -> Source:
    try:
        form = format_of(head)
    except ImportError as error:
        raise SourceError(found.name, "is packed by zstd, which needs `pip install 'tocsin[zstd]'`") from error
    if form:
        return Unpacked(found, form, trusted)
    codec = codec_of(head)
    return Transcoded(found, codec) if codec else found
