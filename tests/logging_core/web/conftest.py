"""What the tests of the integrations share: the records that reach the root logger, as the files would have them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from logging_core import context
from logging_core.record import Encoder


class Records(logging.Handler):
    """Every record with the context's fields, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = Encoder("tests")
        self.all: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append({**context.fields(), **json.loads(self._encoder.encode(record))})

    def of(self, event: str) -> list[dict[str, Any]]:
        """Those of one kind of event."""
        return [record for record in self.all if record.get("event") == event]

    def access(self) -> dict[str, Any]:
        """The one access record there is."""
        (record,) = self.of("api_access")
        return record

    def message(self, message: str) -> dict[str, Any]:
        """The one record with this message."""
        (record,) = [record for record in self.all if record["message"] == message]
        return record


@pytest.fixture
def records() -> Iterator[Records]:
    """All that is logged at INFO and above while the test runs."""
    root = logging.getLogger()
    before = root.level
    handler = Records()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)
    assert dict(context.fields()) == {}, "a context outlived its request"
