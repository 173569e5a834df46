from functools import partial

from logging_core.streams.connection import connect
from logging_core.streams.live import LiveStream, Once
from logging_core.streams.stream import append, open_shards
from tests.waiting import wait_until

PRODUCER = "0" * 31 + "1"


def _taken(live, count):
    bodies = []
    wait_until(lambda: bodies.extend(live.take(0.01)) or len(bodies) >= count, what="the stream")
    return bodies


def test_what_waits_and_what_comes_is_read_in_order_and_stays_for_the_writer(redis, redis_server):
    append(redis, PRODUCER, "shop", first=1, count=1, body=b'{"n":1}\n')
    live = LiveStream(partial(connect, redis_server, connect_timeout=2, timeout=5), lambda: None)
    assert _taken(live, 1) == [("shop", b'{"n":1}\n')]
    for number in range(2, 50):
        append(redis, PRODUCER, "shop", first=number, count=1, body=b'{"n":%d}\n' % number)
    assert [batch.body for batch in _taken(live, 48)] == [b'{"n":%d}\n' % number for number in range(2, 50)]
    assert redis.xlen("tocsin:{0}:stream") == 49


def test_every_shard_is_read(redis, redis_server):
    open_shards(redis, 2)
    append(redis, PRODUCER, "shop", first=1, count=1, body=b"0\n", shard=0)
    append(redis, PRODUCER, "mail", first=1, count=1, body=b"1\n", shard=1)
    live = LiveStream(partial(connect, redis_server, connect_timeout=2, timeout=5), lambda: None)
    assert sorted(_taken(live, 2)) == [("mail", b"1\n"), ("shop", b"0\n")]


def test_a_redis_that_is_away_is_told_and_nothing_raised():
    told = []
    live = LiveStream(partial(connect, "redis://127.0.0.1:1/0", connect_timeout=1, timeout=1), lambda: told.append(1))
    wait_until(lambda: told, what="word of it")
    assert live.take(0.01) == []


def test_a_line_that_both_bring_is_new_once_whichever_is_first():
    once = Once()
    assert [once.from_file(b"a"), once.from_stream(b"a")] == [True, False]
    assert [once.from_stream(b"b"), once.from_file(b"b")] == [True, False]


def test_a_line_that_is_there_twice_is_new_twice():
    once = Once()
    assert [once.from_file(b"a"), once.from_file(b"a"), once.from_stream(b"a"), once.from_stream(b"a")] == [
        True,
        True,
        False,
        False,
    ]
    assert once.from_stream(b"a")
