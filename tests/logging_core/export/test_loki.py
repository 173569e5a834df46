import json
import logging
from collections.abc import Iterator

import pytest

from tests.logging_core.export.conftest import EXPORTS, Connect
from tests.receivers import Answer, Loki

LOKI = EXPORTS[0]


@pytest.fixture
def loki() -> Iterator[Loki]:
    with Loki() as loki:
        yield loki


def labels(loki: Loki) -> list[dict[str, str]]:
    return [labels for labels, _ in loki.streams]


def test_streams_are_told_apart_by_service_and_level_and_own_labels(loki: Loki, connect: Connect) -> None:
    logger, handler = connect(LOKI, loki.port, labels={"env": "test"}, tenant="shops")
    logger.info("one", extra={"trace_id": "t1", "user_id": "u1"})
    assert handler.flush(20)
    logger.log(25, "between two levels")
    assert handler.flush(20)
    assert labels(loki) == [{"service": "shop", "level": "INFO", "env": "test"}] * 2
    (request, *_) = loki.requests
    assert request.path == "/loki/api/v1/push"
    assert request.headers["X-Scope-OrgID"] == "shops"
    assert request.headers["Authorization"] == "Basic c2hvcDpzZXNhbWU="
    assert request.headers["Content-Encoding"] == "gzip"
    (_, ((at, line),)) = loki.streams[0]
    record = json.loads(line)
    assert (record["message"], record["trace_id"], line.endswith("\n")) == ("one", "t1", False)
    assert len(at) == 19


def test_a_path_of_a_gateway_and_credentials_in_the_url(loki: Loki) -> None:
    for path in ("/gate", "/gate/", "/gate/loki/api/v1/push"):
        handler = LOKI.handler(f"http://shop:s%40same@127.0.0.1:{loki.port}{path}", service="shop")
        handler.handle(logging.makeLogRecord({"msg": "one"}))
        assert handler.flush(20)
        handler.close()
    assert {request.path for request in loki.requests} == {"/gate/loki/api/v1/push"}
    assert {request.headers["Authorization"] for request in loki.requests} == {"Basic c2hvcDpzQHNhbWU="}


def test_equal_records_of_one_moment_stay_two_and_in_order(loki: Loki, connect: Connect) -> None:
    """Even when threads overtake each other; and a clock that is set back is believed."""
    _, handler = connect(LOKI, loki.port)
    loki.answers = [Answer(503)]  # so that what is sent again has the same times
    for created in (1000.5, 1000.5, 1000.25, 900.0):
        handler.handle(logging.makeLogRecord({"msg": "one", "created": created, "levelno": 20}))
    assert handler.flush(20)
    times = [int(at) for _, entries in loki.streams for at, _ in entries]
    assert times == [1000_500_000_000, 1000_500_000_001, 1000_500_000_002, 900_000_000_000]
    assert len(loki.messages) == 4


def test_loggers_as_labels_are_bounded(loki: Loki, connect: Connect) -> None:
    _, handler = connect(LOKI, loki.port, logger_label=True)
    for number in range(150):
        handler.handle(logging.makeLogRecord({"msg": "one", "name": f"shop.n{number}", "levelno": 20}))
    assert handler.flush(20)
    names = {each["logger"] for each in labels(loki)}
    assert len(names) == 101
    assert {"shop.n0", "other"} < names


def test_ids_as_structured_metadata(loki: Loki, connect: Connect) -> None:
    logger, handler = connect(LOKI, loki.port, structured_metadata=True)
    logger.info("one", extra={"trace_id": "t1", "request_id": "r1", "user_id": "u1"})
    assert handler.flush(20)
    ((_, ((_, _, metadata),)),) = loki.streams
    assert metadata == {"trace_id": "t1", "request_id": "r1"}
