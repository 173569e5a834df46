"""A handler for the small applications of these tests: each record a line of one file, from however many processes."""

import json
import os
from pathlib import Path
from typing import Any

from logging_core.line_handler import LineHandler
from logging_core.record import Encoder


class JsonFile(LineHandler):
    def __init__(self, path: str | Path) -> None:
        super().__init__(Encoder("shop"))
        self.path = Path(path)

    def put(self, line: bytes, level: int) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line)
        os.close(file)


def read(path: Path) -> list[dict[str, Any]]:
    """The records so far, without a last line that is not whole."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
