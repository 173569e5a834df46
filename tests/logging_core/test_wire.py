"""The small client that ships records: it speaks as redis-py does, on every server, and recovers as it should."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from redis import Redis

from logging_core.streams import connection, stream
from logging_core.streams.connection import Address, connect_to_ship, is_answer
from logging_core.streams.wire import NoScriptError, ResponseError, Wire
from tests import servers
from tests.servers import Server


@pytest.fixture(params=["redis_server", "oldest_redis_server"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def wire(url: str, timeout: float = 5) -> Wire:
    return Wire(Address.of(url), connect_timeout=2, timeout=timeout)


def test_it_says_what_redis_py_says(url: str) -> None:
    ours, theirs = wire(url), connection.connect(url, connect_timeout=2, timeout=5)
    theirs.flushall()
    theirs.script_flush()
    assert stream.budget(ours) == stream.budget(theirs)  # type: ignore[arg-type]
    theirs.hset("h", mapping={"a": "1", "b": b"\xff\r\n"})
    assert ours.hgetall("h") == theirs.hgetall("h")
    assert ours.hgetall("absent") == {}
    assert sorted(ours.hkeys("h")) == [b"a", b"b"]
    with pytest.raises(NoScriptError):
        ours.evalsha("0" * 40, 0)
    producer, big = "ab" * 16, b"x" * 300_000 + b"\n"
    for first, body in ((1, b'{"n":1}\n'), (2, big)):
        reply = stream.append(ours, producer, "shop", first=first, count=1, body=body, report={"accepted": first})  # type: ignore[arg-type]
        assert (reply.status, reply.appended) == ("ok", first)
    assert [fields[b"body"] for _, fields in theirs.xrange(stream.Keys().stream)] == [b'{"n":1}\n', big]
    theirs.close()
    ours.close()


def test_an_error_of_the_server_leaves_the_connection_usable(url: str) -> None:
    client = wire(url)
    with pytest.raises(ResponseError) as caught:
        client.eval("return redis.call('nonsense')", 0)
    assert is_answer(caught.value)
    assert not is_answer(caught.value, "NoScriptError")
    assert client.eval("return 7", 0) == 7
    client.close()


def test_a_server_that_comes_back_is_connected_to_anew(tmp_path: Path) -> None:
    with Server(tmp_path / "redis") as server:
        client = wire(server.url)
        assert client.eval("return 1", 0) == 1
        server.kill()
        for _ in range(2):
            with pytest.raises(OSError, match=r".+"):
                client.eval("return 2", 0)
        server.start()
        assert client.eval("return 3", 0) == 3
        client.close()


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(redis: Redis, redis_server: str) -> None:
    client = wire(redis_server, timeout=0.1)
    assert client.eval("return 1", 0) == 1
    redis.execute_command("CLIENT", "PAUSE", "400", "ALL")
    with pytest.raises(TimeoutError):
        client.eval("return 'late'", 0)
    redis.ping()  # answered when the pause is over
    assert client.eval("return 'next'", 0) == b"next"
    client.close()


def test_passwords_users_databases_and_unix_sockets(tmp_path: Path) -> None:
    path = f"/tmp/{tmp_path.name}-{threading.get_native_id()}.sock"  # longer ones are refused
    options = ("--requirepass", "pass:w@rd", "--user", "shop", "on", ">secret", "~*", "+@all", "--unixsocket", path)
    port = servers.free_port()
    command = [str(servers.oldest_redis()), *servers.IN_MEMORY, "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            admin = Redis(port=port, password="pass:w@rd", protocol=2)
            servers.wait_until(lambda: servers.answers(admin), what="the server to answer")
            admin.close()
            for good in (
                f"redis://:pass%3Aw%40rd@127.0.0.1:{port}/3",
                f"redis://shop:secret@localhost:{port}/?db=3",
                f"unix://shop:secret@{path}?db=3",
            ):
                client = wire(good)
                assert client.eval("return redis.call('INCR', 'count')", 0) >= 1
                client.close()
            client = wire(f"redis://shop:secret@127.0.0.1:{port}/3")
            assert client.eval("return redis.call('GET', 'count')", 0) == b"3"
            client.close()
            for bad in (f"redis://127.0.0.1:{port}/0", f"redis://:wrong@127.0.0.1:{port}/0"):
                client = wire(bad)
                with pytest.raises(ResponseError) as caught:
                    client.eval("return 1", 0)
                assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
                client.close()
        finally:
            server.kill()


def test_who_hangs_up_or_talks_nonsense_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = wire(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", timeout=1)
        for answer in (b"", b"+unfinished", b"HTTP/1.1 400 Bad Request\r\n\r\n"):

            def respond(answer: bytes = answer) -> None:
                connection_, _ = listener.accept()
                connection_.recv(1000)
                connection_.sendall(answer)
                connection_.close()

            thread = threading.Thread(target=respond)
            thread.start()
            with pytest.raises(Exception, match=r".+"):
                client.eval("return 1", 0)
            thread.join()
        client.close()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1:1/0", "Wire"),
        ("redis://127.0.0.1:1?db=3", "Wire"),
        ("unix:///tmp/x?db=3", "Wire"),
        ("rediss://127.0.0.1:1/0", "Redis"),
        ("redis://127.0.0.1:1/0?health_check_interval=3", "Redis"),
        ("redis-cluster://127.0.0.1:1", "Cluster"),
        ("redis-sentinel://127.0.0.1:1/0?master=main", "Redis"),
    ],
)
def test_who_ships_where(url: str, kind: str) -> None:
    client = connect_to_ship(url, connect_timeout=1, timeout=1)
    assert type(client).__name__ == kind
    client.close()


def test_an_application_that_ships_to_a_plain_server_has_no_redis_py() -> None:
    program = """
import logging, sys
from logging_core import RedisStreamHandler
RedisStreamHandler("redis://127.0.0.1:1/0")
assert "redis" not in sys.modules and "asyncio" not in sys.modules and "ssl" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
