"""For the tests of applications: what was logged, as the records that would have been written."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from logging_core import lifecycle
from logging_core.line_handler import LineHandler
from logging_core.record import Encoder
from logging_core.redaction import default_redactor


class Records(list[dict[str, Any]]):
    """Records in the order in which they were logged; each is the JSON object that would have been written."""

    @property
    def messages(self) -> list[str]:
        """Their messages."""
        return [record["message"] for record in self]

    def find(self, **fields: Any) -> list[dict[str, Any]]:
        """Those that have all these fields, with these values."""
        return [record for record in self if all(name in record and record[name] == fields[name] for name in fields)]


class _Capture(LineHandler):
    def __init__(self, records: Records) -> None:
        super().__init__(lifecycle.encoder() or Encoder("test", redactor=default_redactor()))
        self._records = records

    def put(self, line: bytes, level: int) -> None:
        self._records.append(orjson.loads(line))


@contextmanager
def capture_records(logger: str | None = None, level: int | str = logging.DEBUG) -> Iterator[Records]:
    """What is logged in a `with` block, to this logger and those below it (without a name, to all).

    The level of the logger is lowered (or raised) for the block; levels that loggers below it have of their own, and
    `propagate = False`, hold. Where `init_logging` is in force, its service, redaction and call sites count, else the
    service is `test` and the rest as by default; sampling takes nothing out. What is captured stays after the block.
    """
    target, records = logging.getLogger(logger), Records()
    handler, before = _Capture(records), target.level
    target.addHandler(handler)
    target.setLevel(level)
    try:
        yield records
    finally:
        target.setLevel(before)
        target.removeHandler(handler)
        handler.close()
