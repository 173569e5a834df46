"""The files that paths stand for."""

import os
from collections.abc import Callable, Iterable, Iterator

from rules.reading.source import SourceError


def expand(paths: Iterable[str], report: Callable[[SourceError], object]) -> list[str]:
    """The paths themselves, and in place of a folder the files below it, by name; each file once, whatever its names.

    As `grep -r` does it: a link is followed where it is named, not where it is met; what is no regular file is left
    out where it is met. As ripgrep does it: so is what is hidden. `report` is told of a folder that cannot be listed.
    """
    seen: set[tuple[int, int]] = set()
    found = []
    for path in paths:
        for each in _below(path, report) if os.path.isdir(path) else (path,):  # noqa: PTH112  # paths as they were given
            try:
                status = os.stat(each)  # noqa: PTH116
            except OSError:
                found.append(each)  # whoever opens it says why it cannot be read
                continue
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                found.append(each)
    return found


def _below(folder: str, report: Callable[[SourceError], object]) -> Iterator[str]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=lambda each: each.name)
    except OSError as error:
        report(SourceError(folder, error))
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, report)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path
