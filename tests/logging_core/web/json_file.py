"""Handlers of ours for these tests: one keeps lines in memory, one in a file, from however many processes."""

import json
import os
from pathlib import Path
from typing import Any

from logging_core.line_handler import LineHandler
from logging_core.record import Encoder


class Kept(LineHandler):
    def __init__(self) -> None:
        super().__init__(Encoder("shop"))
        self.records: list[dict[str, Any]] = []

    def put(self, line: bytes, level: int) -> None:
        self.records.append(json.loads(line))


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
