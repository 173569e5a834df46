"""A traceback's text, read back into exceptions and frames.

The records that exporters get hold text alone: no local variable of the application can leave with it.
"""

import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_BETWEEN = re.compile(
    r"\n+(?:The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:)\n+"
)
_FRAME = re.compile(r'  File "(?P<path>[^"\n]*)", line (?P<line>\d+)(?:, in (?P<function>[^\n]*))?')
_TITLE = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?", re.DOTALL)
_STDLIB = sysconfig.get_path("stdlib")
MAX_FRAMES = 100  #: of one exception; the innermost count


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of the traceback: where the code was."""

    path: str
    line: int
    function: str
    code: str

    @property
    def module(self) -> str | None:
        """The module's name, as far as `sys.path` tells."""
        relative = _relative(self.path)
        if relative == self.path or not relative.endswith(".py"):
            return None
        return relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def filename(self) -> str:
        """The path below the folder that it is imported from."""
        return _relative(self.path)

    @property
    def in_app(self) -> bool:
        """Whether it is the application's own code, as opposed to libraries'."""
        installed = "/site-packages/" in self.path or "/dist-packages/" in self.path
        return not installed and not self.path.startswith(("<", f"{_STDLIB}/"))


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception of a chain."""

    type: str
    message: str
    frames: tuple[Frame, ...]  #: the innermost last


def chain(stack: str, type_name: str, message: str) -> list[Raised]:
    """The exceptions in a traceback's text, the one that was logged last, of which type and message are known."""
    *causes, last = _BETWEEN.split(stack)
    return [_cause(text) for text in causes] + [Raised(type_name, message, tuple(_frames(last)))]


def _cause(text: str) -> Raised:
    lines = text.rstrip().split("\n")
    place = 1 + max((index for index, line in enumerate(lines) if line.startswith("  ")), default=-1)
    title = _TITLE.match("\n".join(lines[place:]))
    if title is None:
        return Raised("Exception", lines[-1], tuple(_frames(text)))
    return Raised(title["type"], title["message"] or "", tuple(_frames(text)))


def _frames(text: str) -> Iterator[Frame]:
    lines = text.split("\n")
    places = [(index, found) for index, line in enumerate(lines) if (found := _FRAME.match(line))]
    for index, found in places[-MAX_FRAMES:]:
        below = lines[index + 1] if index + 1 < len(lines) else ""
        code = below.strip() if below.startswith("    ") else ""
        yield Frame(found["path"], int(found["line"]), found["function"] or "<module>", code)


@lru_cache(maxsize=1024)
def _relative(path: str) -> str:
    folders = [folder for folder in sys.path if folder and path.startswith(f"{folder.rstrip('/')}/")]
    return str(Path(path).relative_to(max(folders, key=len))) if folders else path
