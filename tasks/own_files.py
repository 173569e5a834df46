"""The files that our own workers write, among those that a scan reads.

The errors in them are in groups since they were taken in, and each stands in several of them: in app.log, and in
errors.log or in the file of its channel too.
"""

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from logging_core.storage.compression import in_use
from rules.globs import matches
from rules.siblings import originals

_NAME = re.compile(r"(?P<kind>.+?)(?P<shard>-\d+)?\.log")


class OwnFiles:
    """Those of one `LOG_DIR`."""

    def __init__(self, log_dir: Path) -> None:
        self._folder = os.path.abspath(log_dir)  # noqa: PTH100  # as globs name files: links stay

    def has(self, path: str) -> bool:
        """Whether it is one of them, or what rotation made of one."""
        return self._name(path) is not None

    def without_repeats(self, paths: set[str], patterns: Sequence[str]) -> set[str]:
        """These files without those that hold nothing but lines of another one that the globs name.

        That one need not be there: between its rotation and the next record there is none.
        """
        return {path for path in paths if not self._is_repeat(path, paths, patterns)}

    def _is_repeat(self, path: str, paths: set[str], patterns: Sequence[str]) -> bool:
        original = self._original(path)
        return original is not None and (original in paths or any(matches(each, original) for each in patterns))

    def _original(self, path: str) -> str | None:
        """The app.log that holds all the lines of this file too; None: it is one, or none of ours."""
        name = self._name(path)
        match = _NAME.fullmatch(os.path.basename(name)) if name else None  # noqa: PTH119
        if match is None or match["kind"] == "app":
            return None
        return os.path.join(os.path.dirname(path), f"app{match['shard'] or ''}.log")  # noqa: PTH118, PTH120

    def _name(self, path: str) -> str | None:
        """The name below `LOG_DIR` of the file that this one is, or was."""
        absolute = os.path.abspath(path)  # noqa: PTH100
        if not absolute.startswith(self._folder + os.sep):
            return None
        below = [os.path.relpath(each, self._folder) for each in (absolute, *originals(absolute))]
        return next((name for name in below if name in self._names), None)

    @cached_property
    def _names(self) -> set[str]:
        return in_use(Path(self._folder)).names
