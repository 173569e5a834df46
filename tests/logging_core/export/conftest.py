"""The four exporters, each with a receiver of its own: what all have in common is tested once, over all."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from logging_core.export.elasticsearch import elasticsearch_handler
from logging_core.export.handler import ExportHandler
from logging_core.export.loki import loki_handler
from logging_core.export.opentelemetry import opentelemetry_handler
from logging_core.export.sentry import sentry_handler
from tests.receivers import Collector, Elasticsearch, Loki, Receiver, Sentry

SECRET = "sesame"  #: in the credentials of all


@dataclass(frozen=True, slots=True)
class Export:
    name: str
    receiver: type[Receiver]
    handler: Callable[..., ExportHandler]
    credentials: dict[str, Any]  #: options
    errors_only: bool = False  #: what is below ERROR is not sent by itself

    def place(self, port: int, scheme: str = "http") -> str:
        """What the handler is given as its place."""
        return f"{scheme}://sesame@127.0.0.1:{port}/42" if self.name == "sentry" else f"{scheme}://127.0.0.1:{port}"


EXPORTS = (
    Export("loki", Loki, loki_handler, {"username": "shop", "password": SECRET}),
    Export("elasticsearch", Elasticsearch, elasticsearch_handler, {"api_key": SECRET}),
    Export("sentry", Sentry, sentry_handler, {}, errors_only=True),
    Export("opentelemetry", Collector, opentelemetry_handler, {"headers": {"Authorization": f"Bearer {SECRET}"}}),
)

Connect = Callable[..., tuple[logging.Logger, ExportHandler]]


@pytest.fixture(params=EXPORTS, ids=lambda export: export.name)
def export(request: pytest.FixtureRequest) -> Export:
    chosen: Export = request.param
    return chosen


@pytest.fixture
def receiver(export: Export) -> Iterator[Any]:
    with export.receiver() as receiver:
        yield receiver


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a logger that no other test knows, with a handler to the receiver on a port."""
    handlers = []

    def _connect(export: Export, port: int, **options: Any) -> tuple[logging.Logger, ExportHandler]:
        scheme = options.pop("scheme", "http")
        handler = export.handler(export.place(port, scheme), service="shop", **export.credentials | options)
        handlers.append(handler)
        logger = logging.Logger("shop.api")  # noqa: LOG001
        logger.addHandler(handler)
        return logger, handler

    yield _connect
    for handler in handlers:
        handler.close(0.2)
