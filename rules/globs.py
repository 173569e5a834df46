"""The globs of a scan: which files they name, and which they would.

As `glob` reads them, but for one thing: below `**` no link to a folder is followed. Otherwise whoever may write to one
folder decides what is searched, and two links that lead back to it are searched for ever.
"""

import glob
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase

_ANY = "**"


def expanded(pattern: str) -> Iterator[str]:
    """The paths that a glob names, some of them more than once; what is hidden has to be named."""
    before, found, behind = _parted(pattern)
    if not found:
        yield from glob.iglob(pattern)  # noqa: PTH207  # the paths stay as the settings name them
        return
    for folder in glob.iglob(before) if before else [""]:  # noqa: PTH207
        for below, names, _ in os.walk(folder or os.curdir):
            names[:] = [name for name in names if not name.startswith(".")]
            yield from expanded(os.path.join(glob.escape(below), behind or "*"))  # noqa: PTH118


def matches(pattern: str, path: str) -> bool:
    """Whether a glob would name a path, were there a file."""
    return _match(_parts(pattern), _parts(path))


def _parted(pattern: str) -> tuple[str, bool, str]:
    """What is before the first `**` of a glob, whether there is one, and what is behind it."""
    parts = pattern.split("/")
    if _ANY not in parts:
        return pattern, False, ""
    at = parts.index(_ANY)
    before = "/".join(parts[:at]) or ("/" if at else "")
    return before, True, "/".join(parts[at + 1 :])


def _parts(path: str) -> list[str]:
    return os.path.abspath(path).split("/")  # noqa: PTH100  # links stay


def _match(pattern: list[str], path: list[str]) -> bool:
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == _ANY:
        rest = pattern[1:] or ["*"]
        return any(_match(rest, path[start:]) for start in range(len(path)))
    return fnmatchcase(path[0], pattern[0]) and _match(pattern[1:], path[1:])
