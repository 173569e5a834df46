"""The pages of the documentation, as programs that run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parent.parent
NOTHING: Mapping[str, str] = MappingProxyType({})
_SEVERAL = re.compile(r"}\n{")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Page:
    """One page, by its path from the project's folder. A block of code that begins with `# NAME` is that file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.text = (ROOT / path).read_text()

    def __repr__(self) -> str:
        return self.path

    def blocks(self, *languages: str) -> list[str]:
        """The blocks of code in these languages."""
        return [block for language, block in _BLOCK.findall(self.text) if language in languages]

    def files(self, *languages: str) -> dict[str, str]:
        """Those that are files, by name."""
        heads = [(re.match(r"# (\S+\.\w+)\n", block), block) for block in self.blocks(*languages)]
        return {head[1]: block for head, block in heads if head}

    @property
    def rest(self) -> list[str]:
        """The blocks of Python that are no files."""
        files = self.files("python").values()
        return [block for block in self.blocks("python") if block not in files]

    @property
    def program(self) -> str:
        """The same, one after the other."""
        return "\n".join(self.rest)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The objects that its blocks of JSON show, one after the other."""
        return [each for block in self.blocks("json") for each in json.loads(f"[{_SEVERAL.sub('},{', block)}]")]

    def write(self, folder: Path, replaced: Mapping[str, str] = NOTHING) -> None:
        """Write its files; `replaced` is what the page shows -> what really is."""
        for shown in replaced:
            assert shown in self.text
        for name, text in self.files("python", "yaml").items():
            (folder / name).write_text(_replaced(text, replaced))

    def run(self, folder: Path, name: str | None = None, replaced: Mapping[str, str] = NOTHING) -> str:
        """Run a file of the page, or its program, in a folder that has all its files; what it prints.

        Args:
            folder: for the files, and for what the program makes.
            name: of the file; None: the program.
            replaced: as for `write`.
        """
        self.write(folder, replaced)
        program = folder / (name or "program.py")
        if name is None:
            program.write_text(_replaced(self.program, replaced))
        inherited = {key: value for key, value in os.environ.items() if key != "LOG_DIR"}
        done = subprocess.run(
            [sys.executable, "-W", "error", program],
            cwd=folder,
            env=inherited | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def output_of(self, name: str) -> str:
        """What the page says that a file prints: the block of text behind it, where `...` stands for anything."""
        pattern = rf"^```python\n# {re.escape(name)}\n.*?^```\n+```text\n(.*?)^```$"
        found = re.search(pattern, self.text, re.MULTILINE | re.DOTALL)
        assert found, name
        return found[1]


def says(told: str, seen: str) -> bool:
    """Whether the text is what was told, where `...` stands for anything in a line."""
    return re.fullmatch(re.escape(told.strip()).replace(re.escape("..."), ".*"), seen.strip()) is not None


def _replaced(text: str, replaced: Mapping[str, str]) -> str:
    for shown, real in replaced.items():
        text = text.replace(shown, real)
    return text
