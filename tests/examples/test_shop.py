import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis

from examples import shop
from logging_core import RedisStreamHandler
from logging_core.streams.stream import Keys


@pytest.fixture
def handler() -> Iterator[Callable[[], RedisStreamHandler]]:
    """What the shop hangs on the root logger; taken off afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield lambda: next(each for each in root.handlers if isinstance(each, RedisStreamHandler))
    for each in set(root.handlers) - set(before):
        root.removeHandler(each)
        each.close()
    root.setLevel(level)


@pytest.fixture
def client(redis: Redis, handler, tmp_path: Path, monkeypatch) -> FlaskClient:
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("SHOP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SHOP_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setenv("SHOP_CACHE_QUOTA", str(2 * shop.THUMBNAIL))
    return shop.create_app().test_client()


@pytest.fixture
def logged(redis: Redis, handler):
    """The records that are in the stream."""

    def read() -> list[dict]:
        assert handler().flush(10)
        bodies = [fields[b"body"] for _, fields in redis.xrange(Keys().stream)]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    return read


def test_every_record_carries_its_requests_id_and_the_response_tells_their_number(client, logged):
    ids = {"r-1": client.get("/catalog", headers={"X-Request-ID": "r-1"})}
    ids["r-2"] = client.post("/checkout", json={"items": {"bell": 1}}, headers={"X-Request-ID": "r-2"})
    ids["r-3"] = client.post("/checkout", json={"items": {"drum": 1}}, headers={"X-Request-ID": "r-3"})
    told = {(id_, n + 1) for id_, answer in ids.items() for n in range(int(answer.headers["X-Log-Records"]))}
    assert {(record["request_id"], record["request_record"]) for record in logged()} == told
    assert len(told) == 6


@pytest.mark.parametrize(
    ("cart", "error_type"),
    [
        ({"items": {}}, "decimal.InvalidOperation"),
        ({"items": {"drum": 1}}, "KeyError"),
        ({"items": {"bell": "two"}}, "ValueError"),
        ({"items": {"bell": 1}, "card": shop.REFUSED_CARD}, "examples.shop.PaymentRefusedError"),
    ],
)
def test_what_nobody_has_thought_of_is_logged_with_its_type(client, logged, cart, error_type):
    assert client.post("/checkout", json=cart).status_code == 500
    assert logged()[-1]["error"]["type"] == error_type


def test_a_full_cache_is_no_space_left_on_device(client, logged):
    assert [client.get(f"/thumbnails/{n}").status_code for n in range(3)] == [200, 200, 500]
    assert "[Errno 28] No space left on device" in logged()[-1]["error"]["stack"]


def test_a_recommender_that_does_not_answer_is_a_timeout(client, logged):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client.application.config["RECOMMENDER"] = f"127.0.0.1:{silent.getsockname()[1]}"
        assert client.get("/recommendations").status_code == 504
    assert logged()[-1]["error"]["type"] == "TimeoutError"
