import json
import logging
from collections.abc import Iterator

import pytest

from tests.logging_core.export.conftest import EXPORTS, Connect
from tests.receivers import Answer, Elasticsearch
from tests.waiting import wait_until

ELASTICSEARCH = EXPORTS[1]


@pytest.fixture
def elasticsearch() -> Iterator[Elasticsearch]:
    with Elasticsearch() as elasticsearch:
        yield elasticsearch


def test_documents_are_the_records_in_the_index_of_their_day(elasticsearch: Elasticsearch, connect: Connect) -> None:
    _, handler = connect(ELASTICSEARCH, elasticsearch.port)
    for created in (1771496999.5, 1771459199.999999):
        handler.handle(logging.makeLogRecord({"msg": "one", "created": created, "levelno": 20, "@timestamp": "mine"}))
    assert handler.flush(20)
    assert {index for index, _ in elasticsearch.documents} == {"app-logs-2026.02.19", "app-logs-2026.02.18"}
    document = next(iter(elasticsearch.documents.values()))
    assert document["@timestamp"] == document["timestamp"] == "2026-02-19T10:29:59.500000+00:00"
    assert (document["message"], document["service"]) == ("one", "shop")
    (request, *_) = elasticsearch.requests
    assert request.path.startswith("/_bulk?filter_path=")
    assert request.headers["Authorization"] == "ApiKey sesame"
    assert request.headers["Content-Type"] == "application/x-ndjson"


def test_a_data_stream_splits_itself(elasticsearch: Elasticsearch, connect: Connect) -> None:
    logger, handler = connect(ELASTICSEARCH, elasticsearch.port, index="logs-shop-default", data_stream=True)
    logger.info("one")
    assert handler.flush(20)
    assert {index for index, _ in elasticsearch.documents} == {"logs-shop-default"}


def test_what_is_sent_twice_is_there_once(elasticsearch: Elasticsearch, connect: Connect) -> None:
    """The connection broke before the answer came, say; and equal records are still two."""
    elasticsearch.silent.set()
    _, handler = connect(ELASTICSEARCH, elasticsearch.port)
    record = {"msg": "one", "created": 1000.5, "levelno": 20}
    for _ in range(2):
        handler.handle(logging.makeLogRecord(record))
    wait_until(lambda: elasticsearch.requests)
    elasticsearch.well(elasticsearch.requests[0])  # it was taken, and nobody was told
    elasticsearch.answers = [Answer(503)]
    elasticsearch.silent.clear()
    assert handler.flush(20)
    assert elasticsearch.messages == ["one", "one"]
    assert handler.stats()["dropped"] == {}


def test_equal_records_of_two_processes_are_two(elasticsearch: Elasticsearch, connect: Connect) -> None:
    for _ in range(2):
        _, handler = connect(ELASTICSEARCH, elasticsearch.port)
        handler.handle(logging.makeLogRecord({"msg": "one", "created": 1000.5, "levelno": 20, "process": 1}))
        assert handler.flush(20)
    assert elasticsearch.messages == ["one", "one"]


@pytest.mark.parametrize("status", [429, 503])
def test_documents_that_may_pass_are_sent_again_and_the_others_not_counted_twice(
    elasticsearch: Elasticsearch, connect: Connect, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    elasticsearch.verdicts = {"busy": [status, status], "never": [400] * 3}
    elasticsearch.answers = [Answer(503)]  # so that all come at once
    logger, handler = connect(ELASTICSEARCH, elasticsearch.port)
    for message in ("well", "busy", "never", "well too"):
        logger.info(message)
    assert handler.flush(20)
    assert sorted(elasticsearch.messages) == ["busy", "well", "well too"]
    stats = handler.stats()
    assert (stats["accepted"], stats["written"], stats["dropped"]) == (4, 3, {"refused": 1})
    assert "400 bad_thing" in capfd.readouterr().err


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", json.dumps({"errors": True, "items": [1]}).encode()])
def test_an_answer_that_is_not_elasticsearchs_is_no_answer(
    elasticsearch: Elasticsearch, connect: Connect, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    elasticsearch.answers = [Answer(200, body)]
    logger, handler = connect(ELASTICSEARCH, elasticsearch.port)
    logger.info("one")
    assert handler.flush(20)
    assert elasticsearch.messages == ["one"]
    assert "an answer that is not Elasticsearch's" in capfd.readouterr().err
