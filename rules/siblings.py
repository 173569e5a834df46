"""Files beside those that a glob names: what rotation has made of them."""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import PurePath
from typing import NamedTuple

_NUMBER = r"[-._]\d[-._\d]*"
_SUFFIX = r"(?P<suffix>\.[A-Za-z]\w*)?"
_NUMBERED = re.compile(rf"(?P<stem>.+?){_NUMBER}{_SUFFIX}")
_PACKED = (".gz", ".zst", ".bz2", ".xz")


class Sibling(NamedTuple):
    """A regular file whose name begins like that of a named one in its folder."""

    path: str
    identity: str  #: `<device>:<inode>`
    size: int  #: bytes
    is_numbered: bool  #: whether a number or a date is all that its name has more: `app.log.1`, `app-20260219.log.gz`


def siblings(paths: Iterable[str]) -> Iterator[Sibling]:
    """The siblings of all these files, themselves left out; in a folder that cannot be listed there are none."""
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, name = os.path.split(path)
        folders[folder].add(name)
    for folder, names in folders.items():
        with suppress(OSError):
            yield from _siblings(folder, names)


def linked(links: Iterable[str]) -> Iterator[Sibling]:
    """What symbolic links such as `current.log` led to before: files that differ from their targets by a number alone.

    Whoever rotates by leading a link elsewhere leaves the file before in its place, under its own name.
    """
    for link in links:
        folder, name = os.path.split(os.path.realpath(link))
        series = _series(name)
        with suppress(OSError):
            for path in _listed(folder) if series else ():
                if path != name and _series(path) == series:
                    yield from _sibling(os.path.join(folder, path), is_numbered=True)  # noqa: PTH118


def originals(path: str) -> list[str]:
    """The paths that a file may have been copied from, if its name has a number: `app.log.1.gz` from `app.log`."""
    folder, name = os.path.split(path)
    match = _NUMBERED.fullmatch(_unpacked(name))
    if match is None:
        return []
    names = (match["stem"] + (match["suffix"] or ""), match["stem"])
    return [os.path.join(folder, each) for each in dict.fromkeys(names)]  # noqa: PTH118


def is_numbered(path: str, paths: Iterable[str]) -> bool:
    """Whether its name is that of another of these files in its folder, with a number or a date added."""
    folder, name = os.path.split(path)
    names = {os.path.basename(each) for each in paths if each != path and os.path.dirname(each) == folder}  # noqa: PTH119, PTH120
    return _is_numbered(name, names, _bases(names))


def identity(status: os.stat_result) -> str:
    """What a file is known by on its host, whatever its name."""
    return f"{status.st_dev}:{status.st_ino}"


def _siblings(folder: str, names: set[str]) -> Iterator[Sibling]:
    beginnings = tuple(name.partition(".")[0] or name for name in names)
    bases = _bases(names)
    for name in _listed(folder or "."):
        if name not in names and name.startswith(beginnings):
            path = os.path.join(folder, name)  # noqa: PTH118
            yield from _sibling(path, is_numbered=_is_numbered(name, names, bases))


def _listed(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _sibling(path: str, *, is_numbered: bool) -> Iterator[Sibling]:
    with suppress(FileNotFoundError):  # gone meanwhile
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            yield Sibling(path, identity(status), status.st_size, is_numbered)


def _bases(names: set[str]) -> set[str]:
    return names | {PurePath(name).stem for name in names}


def _is_numbered(name: str, names: set[str], bases: set[str]) -> bool:
    match = _NUMBERED.fullmatch(_unpacked(name))
    if match is None:
        return False
    suffix = match["suffix"]
    return match["stem"] + suffix in names if suffix else match["stem"] in bases


def _unpacked(name: str) -> str:
    return name.removesuffix(PurePath(name).suffix) if name.endswith(_PACKED) else name


def _series(name: str) -> tuple[str, str | None] | None:
    match = _NUMBERED.fullmatch(name)
    return (match["stem"], match["suffix"]) if match else None
