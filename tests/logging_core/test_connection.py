"""One way to any Redis: what URLs say, and that a server, a cluster and a Sentinel's master answer alike."""

import time
from pathlib import Path

import pytest
import redis as redis_py

from logging_core import RedisStreamHandler
from logging_core.buffers.spool import spool_root
from logging_core.streams import connection
from logging_core.streams.connection import Address, clock, connect, servers, shown
from tests.servers import Cluster, Sentinels
from tests.waiting import wait_until

NOBODY = "127.0.0.1:1"


@pytest.fixture(params=["redis_server", "redis_cluster", "redis_sentinel"])
def client(request: pytest.FixtureRequest) -> redis_py.Redis:
    client = connect(request.getfixturevalue(request.param), connect_timeout=2, timeout=5)
    client.flushall()
    return client


def test_a_url_says_where_and_who() -> None:
    address = Address.of("redis-sentinel://me:p%40ss@a:1,b,[::1]:3/2?master=main")
    assert address.hosts == (("a", 1), ("b", 26379), ("::1", 3))
    assert (address.database, address.master) == ("2", "main")
    assert address.credentials == {"username": "me", "password": "p@ss"}
    assert Address.of("redis-cluster://:secret@a:7000").credentials == {"password": "secret"}
    assert Address.of("rediss-cluster://a,b").hosts == (("a", 6379), ("b", 6379))


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "localhost:6379",
        "http://h",
        "redis://:hunter2/x@h:1",
        "redis://h:0",
        "redis-cluster://",
        "redis-cluster://:hunter2@a:1,,b:2",
        "redis-cluster://a:1/3",
        "redis-cluster://a:hunter2",
        "redis-sentinel://:hunter2@a:1",
        "redis-sentinel://a:1/main?master=main",
        "redis-sentinel://a:1?master=main&hunter2=1",
    ],
)
def test_a_bad_url_is_refused_at_once_and_its_password_is_told_nobody(url: str) -> None:
    with pytest.raises(ValueError, match="must be a URL such as") as refused:
        RedisStreamHandler(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("urls", "name"),
    [
        (["redis://h:1/2", "redis://u:p@h:1/2", "redis://h:1?db=2"], "h_1_2"),
        (["redis://localhost", "redis://[::1]:6379/0", "redis://127.0.0.1"], "127.0.0.1_6379_0"),
        (["redis://:p@:6390/0"], "127.0.0.1_6390_0"),
        (["unix:///run/redis.sock", "unix://:p@/run/redis.sock?db=0"], "unix_run_redis.sock_0"),
        (["redis-cluster://a:1,b:2", "redis-cluster://:p@b:2,a:1"], "cluster_61c404d6ef8d"),
        (["redis-sentinel://a,b/1?master=x", "redis-sentinel://b,a:26379/1?master=x"], "sentinel_x_cd09de116fc1_1"),
        (["redis-sentinel://a,b/1?master=../y"], "sentinel_.._y_cd09de116fc1_1"),
    ],
)
def test_a_redis_has_one_name_by_whatever_url_it_is_called(urls: list[str], name: str) -> None:
    assert {spool_root(url, "/s").name for url in urls} == {name}


def test_no_password_is_shown() -> None:
    assert shown("redis://h:1/0") == "redis://h:1/0"
    assert shown("redis://h:1/0?password=pw&db=2") == "redis://h:1/0?password=**&db=2"
    assert shown("redis://:pw@h:1/0") == "redis://:**@h:1/0"
    assert shown("redis-sentinel://me:p@w@a:1,b:2/0?master=m") == "redis-sentinel://me:**@a:1,b:2/0?master=m"
    assert shown("sentinel://:pw@a:1/0;sentinel://:pw@b:2/0") == "sentinel://:**@a:1/0;sentinel://:**@b:2/0"


def test_replies_are_the_same_everywhere(client: redis_py.Redis) -> None:
    client.hset("{k}:hash", "field", 1)
    client.xadd("{k}:stream", {"field": 1}, id="1-1")
    with client.pipeline(transaction=True) as pipe:
        pipe.hgetall("{k}:hash")
        pipe.xrange("{k}:stream")
        pipe.set("{k}:text", "a", px=60_000)
        pipe.get("{k}:text")
        assert pipe.execute() == [{b"field": b"1"}, [(b"1-1", {b"field": b"1"})], True, b"a"]
    assert client.xread({"{k}:stream": 0}, block=1) == [[b"{k}:stream", [(b"1-1", {b"field": b"1"})]]]
    assert client.delete("{k}:text") == 1
    assert client.exists("{k}:text") == 0


def test_a_pipeline_may_go_to_many_nodes_where_it_is_no_transaction(client: redis_py.Redis) -> None:
    numbers = range(30)
    pipe = client.pipeline(transaction=False)
    for number in numbers:
        pipe.set(f"key {number}", number)
    for number in numbers:
        pipe.get(f"key {number}")
    assert pipe.execute()[30:] == [str(number).encode() for number in numbers]


def test_an_error_in_a_pipeline_is_told(client: redis_py.Redis) -> None:
    client.set("{k}:text", "a")
    for transaction in (True, False):
        pipe = client.pipeline(transaction=transaction)
        pipe.hget("{k}:text", "field")
        with pytest.raises(redis_py.ResponseError, match="wrong kind"):
            pipe.execute()


def test_all_share_one_clock_and_every_master_is_known(client: redis_py.Redis) -> None:
    assert clock(client) == pytest.approx(time.time(), abs=5)
    assert len(servers(client)) == (3 if hasattr(client, "masters") else 1)
    assert all(server.ping() for server in servers(client).values())
    assert connection.info(client, "memory", connection.CLOCK)["maxmemory"] == 0


@pytest.mark.parametrize(
    "url", [f"redis://{NOBODY}", f"redis-cluster://{NOBODY}", f"redis-sentinel://{NOBODY}?master=main"]
)
def test_where_nobody_answers_the_first_command_says_so_as_redis_errors_do(url: str) -> None:
    began = time.monotonic()
    client = connect(url, connect_timeout=1, timeout=1)
    script = client.register_script("return 1")
    for ask in (client.ping, lambda: clock(client), lambda: script(keys=["k"]), lambda: _transact(client)):
        with pytest.raises(redis_py.ConnectionError):
            ask()
    assert time.monotonic() - began < 2


def _transact(client: redis_py.Redis, key: str = "k") -> list[object]:
    pipe = client.pipeline(transaction=True)
    pipe.get(key)
    return pipe.execute()


def test_a_slot_that_moved_is_found_where_it_is_now(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        client, transacting = (connect(cluster.url, connect_timeout=1, timeout=5) for _ in range(2))
        client.set("{k}:text", "before")
        _transact(transacting, "{k}:text")
        cluster.move("{k}", next(node for node in cluster.nodes if node is not cluster.holder("{k}")))
        assert client.get("{k}:text") == b"before"
        with pytest.raises(redis_py.RedisError, match="caused error"):  # whoever calls tries again
            _transact(transacting, "{k}:text")
        assert _transact(transacting, "{k}:text") == [b"before"]


def test_a_password_is_told_to_all_servers(tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster") as cluster, Sentinels(tmp_path / "sentinel") as sentinels:
        for server in (*cluster.nodes, sentinels.master):
            server.client.config_set("requirepass", "p@ss")
        for url in (cluster.url, sentinels.url):
            with pytest.raises(redis_py.RedisError, match="Authentication required"):
                connect(url, connect_timeout=1, timeout=2).set("key", "a")
            assert connect(url.replace("://", "://:p%40ss@"), connect_timeout=1, timeout=2).set("key", "a")


def test_a_node_that_is_away_is_told_in_time_and_found_again(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        client = connect(cluster.url, connect_timeout=1, timeout=2)
        client.set("{k}:text", "kept")
        holder = cluster.holder("{k}")
        holder.kill()
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(redis_py.RedisError):
                client.get("{k}:text")
            assert time.monotonic() - began < 5
        holder.start()
        wait_until(lambda: _answer(client) == b"kept", what="the node to be found again")


def _answer(client: redis_py.Redis) -> object:
    try:
        return client.get("{k}:text")
    except redis_py.RedisError:
        return None
