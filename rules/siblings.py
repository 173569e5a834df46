"""Files beside those that a glob names: what rotation has made of them."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import PurePath
from typing import NamedTuple

_NUMBERED = re.compile(r"(?P<stem>.+?)[-._]\d[-._\d]*(?P<suffix>\.[A-Za-z]\w*)?")


class Sibling(NamedTuple):
    """A regular file whose name begins like that of a named one in its folder."""

    path: str
    identity: str  #: `<device>:<inode>`
    size: int  #: bytes
    is_numbered: bool  #: whether a number or a date is all that its name has more: `app.log.1`, `app-20260219.log`


def siblings(paths: Iterable[str]) -> Iterator[Sibling]:
    """The siblings of all these files, themselves left out; in a folder that cannot be listed there are none."""
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, name = os.path.split(path)
        folders[folder].add(name)
    for folder, names in folders.items():
        with suppress(OSError):
            yield from _siblings(folder, names)


def is_numbered(path: str, paths: Iterable[str]) -> bool:
    """Whether its name is that of another of these files in its folder, with a number or a date added."""
    folder, name = os.path.split(path)
    names = {os.path.basename(each) for each in paths if each != path and os.path.dirname(each) == folder}  # noqa: PTH119, PTH120
    return _is_numbered(name, names, _bases(names))


def identity(status: os.stat_result) -> str:
    """What a file is known by, whatever its name."""
    return f"{status.st_dev}:{status.st_ino}"


def _siblings(folder: str, names: set[str]) -> Iterator[Sibling]:
    beginnings = tuple(name.partition(".")[0] or name for name in names)
    bases = _bases(names)
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if entry.name in names or not entry.name.startswith(beginnings):
                continue
            try:
                if not entry.is_file(follow_symlinks=False):
                    continue
                status = entry.stat()
            except FileNotFoundError:  # gone meanwhile
                continue
            path = os.path.join(folder, entry.name)  # noqa: PTH118  # as glob writes it
            yield Sibling(path, identity(status), status.st_size, _is_numbered(entry.name, names, bases))


def _bases(names: set[str]) -> set[str]:
    return names | {PurePath(name).stem for name in names}


def _is_numbered(name: str, names: set[str], bases: set[str]) -> bool:
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return False
    suffix = match["suffix"]
    return match["stem"] + suffix in names if suffix else match["stem"] in bases
