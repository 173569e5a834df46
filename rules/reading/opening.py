"""Any path opened as a source."""

import os
from contextlib import ExitStack

from rules.reading.packed import HEAD, TRUSTED, Unpacked, format_of
from rules.reading.source import Pipe, Source, SourceError, open_file

STANDARD_INPUT = "-"
_DESCRIPTORS = ("/dev/stdin", "/dev/fd/")  # what a shell writes for `<(journalctl)`


def open_source(path: str | os.PathLike[str], *, trusted: int = TRUSTED) -> Source:
    """What lies at a path, unpacked; standard input is `-`.

    Args:
        path: of a regular file, or of a descriptor of this process (`/dev/stdin`, `/dev/fd/63`).
        trusted: bytes that an archive may unpack to before its ratio is looked at.

    Raises:
        SourceError: it is not there, not ours to read, no regular file, or packed by what is not installed.
    """
    name = os.fspath(path)
    with ExitStack() as opened:
        is_pipe = name == STANDARD_INPUT or name.startswith(_DESCRIPTORS)
        found = _pipe(name) if is_pipe else open_file(name)
        opened.callback(found.close)
        try:
            form = format_of(found.head(HEAD))
        except ImportError as error:
            raise SourceError(name, "is packed by zstd, which needs `pip install 'tocsin[zstd]'`") from error
        opened.pop_all()
        return Unpacked(found, form, trusted) if form else found


def _pipe(name: str) -> Pipe:
    try:
        return Pipe(name, os.dup(0) if name == STANDARD_INPUT else os.open(name, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise SourceError(name, error) from error
