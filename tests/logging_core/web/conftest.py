"""What the tests of the integrations share: logging set up, and the records that would have been written."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logging_core import context
from logging_core.lifecycle import init_logging, shutdown_logging
from logging_core.testing import Records, capture_records
from logging_core.web.sqlalchemy import SlowQueries


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An integration sets logging up, and watches every engine there will be, for the life of the process."""
    watched: list[tuple[SlowQueries, tuple[Any, ...]]] = []
    watch = SlowQueries.watch

    def noted(queries: SlowQueries, *target: Any) -> None:
        watched.append((queries, target))
        watch(queries, *target)

    monkeypatch.setattr(SlowQueries, "watch", noted)
    yield
    for queries, target in watched:
        queries.ignore(*target)
    shutdown_logging()


class Logged:
    """Every record of the test, in order."""

    def __init__(self, records: Records) -> None:
        self.all = records

    def of(self, event: str) -> list[dict[str, Any]]:
        """Those of one kind of event."""
        return self.all.find(event=event)

    def access(self) -> dict[str, Any]:
        """The one access record there is."""
        (record,) = self.of("api_access")
        return record

    def message(self, message: str) -> dict[str, Any]:
        """The one record with this message."""
        (record,) = self.all.find(message=message)
        return record


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Logged]:
    """All that is logged at INFO and above while the test runs."""
    init_logging(log_dir=tmp_path / "logs", console_level="OFF")
    with capture_records(level=logging.INFO) as captured:
        yield Logged(captured)
    shutdown_logging()
    assert dict(context.fields()) == {}, "a context outlived its request"
