"""The stream takes each record once, the lease has one holder, a commit is one step, and the account adds up."""

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from logging_core.streams.account import Account, account, retire
from logging_core.streams.shard import GROUP, LeaseLostError, Shard
from logging_core.streams.stream import Change, Keys, append
from tests.servers import memory_limit

ON_EVERY_REDIS = True  # see tests/conftest.py

KEYS = Keys()


def send(redis: Redis, first: int, count: int, *, producer: str = "p", jump: bool = False, **report: int) -> str:
    body = b"".join(b'{"n":%d}\n' % number for number in range(first, first + count))
    return append(
        redis,
        producer,
        "shop",
        first=first,
        count=count,
        body=body,
        jump=jump,
        report={"accepted": first + count - 1} | report,
    ).status


def commit_all(redis: Redis, *changes: Change) -> int:
    shard = Shard(redis)
    assert shard.lease(5)
    version = shard.prepare()
    entries = shard.pending() + shard.read(0.001)
    committed = shard.commit(version, entries, changes, 5)
    shard.give_up()
    return committed


def test_a_batch_is_taken_once_and_a_repeat_or_a_gap_is_sent_back(redis: Redis) -> None:
    assert send(redis, 1, 3) == "ok"
    assert send(redis, 1, 3) == "seek"  # a repeat: go on from 4
    assert send(redis, 6, 2) == "seek"  # a gap: go back to 4
    assert send(redis, 4, 2) == "ok"
    assert append(redis, "p", "shop") == ("ok", 5, 0)
    assert redis.xlen(KEYS.stream) == 2


def test_a_gap_is_taken_from_who_no_longer_has_the_records(redis: Redis) -> None:
    assert send(redis, 10, 5, jump=True) == "ok"
    assert append(redis, "p", "shop").appended == 14
    assert send(redis, 12, 5, jump=True) == "seek"  # jumping never repeats


def test_who_adopts_a_part_does_not_make_the_rest_unaccepted(redis: Redis) -> None:
    send(redis, 1, 3, durable=1)
    append(redis, "p", "shop", report={"accepted": 10})
    append(redis, "p", "shop", report={"accepted": 5, "closed": 1})
    found = account(redis)
    assert (found.accepted, found.waiting, found.lost) == (10, 10, 0)


def test_the_stream_keeps_to_its_budget_but_always_takes_one(redis: Redis) -> None:
    big = b"x" * 999 + b"\n"
    assert append(redis, "p", "shop", first=1, count=1, body=big, budget=500).status == "ok"
    assert append(redis, "p", "shop", first=2, count=1, body=big, budget=500).status == "full"
    commit_all(redis)
    assert append(redis, "p", "shop", first=2, count=1, body=big, budget=500).status == "ok"


def test_a_lease_has_one_holder_until_it_is_given_up(redis: Redis) -> None:
    one, other = Shard(redis), Shard(redis)
    assert one.lease(5)
    assert not other.lease(5)
    assert one.lease(5)
    other.give_up()
    assert not other.lease(5)
    one.give_up()
    assert other.lease(5)


def test_a_commit_acknowledges_counts_and_moves_the_marks_in_one_step(redis: Redis) -> None:
    send(redis, 1, 3)
    changes = [
        Change("add", "a", "n", 2),
        Change("add", "a", "n", 1.5, 60),
        Change("once", "a", "first", "x"),
        Change("once", "a", "first", "y"),
        Change("set", "a", "last", "z"),
        Change("min", "b", "low", 7),
        Change("min", "b", "low", 9),
        Change("max", "b", "low", 8),
    ]
    commit_all(redis, *changes)
    assert redis.hgetall("tocsin:{0}:a") == {b"n": b"3.5", b"first": b"x", b"last": b"z"}
    assert redis.hgetall("tocsin:{0}:b") == {b"low": b"8"}
    assert 0 < redis.ttl("tocsin:{0}:a") <= 60
    assert redis.xlen(KEYS.stream) == 0
    assert redis.hget(KEYS.shard, "bytes") == b"0"
    assert append(redis, "p", "shop").committed == 3


def test_a_key_of_another_type_spoils_its_own_change_and_nothing_else(redis: Redis) -> None:
    redis.set("tocsin:{0}:taken", "by somebody")
    send(redis, 1, 1)
    commit_all(
        redis,
        Change("add", "taken", "n", 1),
        Change("max", "taken", "n", 1),
        Change("add", "a", "n", 1),
    )
    assert redis.hget("tocsin:{0}:a", "n") == b"1"
    assert append(redis, "p", "shop").committed == 1


def test_who_lost_the_lease_or_missed_a_commit_changes_nothing(redis: Redis) -> None:
    send(redis, 1, 1)
    stale, fresh = Shard(redis), Shard(redis)
    assert stale.lease(5)
    version = stale.prepare()
    entries = stale.read(0.001)
    redis.delete(KEYS.lease)  # it ran out
    assert fresh.lease(5)
    with pytest.raises(LeaseLostError):
        stale.commit(version, entries, [], 5)
    assert fresh.commit(fresh.prepare(), fresh.pending(), [], 5) == version + 1
    with pytest.raises(LeaseLostError):
        fresh.commit(version, [], [], 5)


def test_what_a_redis_that_came_back_older_does_not_have_is_not_committed(redis: Redis) -> None:
    send(redis, 1, 1)
    shard = Shard(redis)
    assert shard.lease(5)
    version = shard.prepare()
    entries = shard.read(0.001)
    send(redis, 2, 4)
    redis.xack(KEYS.stream, GROUP, entries[0].id)  # as if it had never been read, nor appended
    redis.xdel(KEYS.stream, entries[0].id)
    redis.hincrby(KEYS.shard, "records", -1)
    with pytest.raises(LeaseLostError):
        shard.commit(version, entries, [], 5)
    assert redis.hget(KEYS.shard, "records") == b"4"


def test_entries_that_were_read_and_not_committed_come_again(redis: Redis) -> None:
    send(redis, 1, 2)
    first = Shard(redis)
    first.prepare()
    assert [entry.count for entry in first.read(0.001)] == [2]
    second = Shard(redis)
    second.prepare()
    (entry,) = second.pending()
    assert (entry.producer, entry.first, entry.last, entry.service) == ("p", 1, 2, "shop")


def test_a_service_that_is_no_name_never_becomes_a_path(redis: Redis) -> None:
    append(redis, "p", "../../etc", first=1, count=1, body=b"{}\n")
    shard = Shard(redis)
    shard.prepare()
    assert [entry.service for entry in shard.read(0.001)] == ["invalid"]


def balance(found: Account) -> int:
    return found.accepted - found.written - found.waiting - sum(found.dropped.values()) - found.unknown


def test_the_account_adds_up(redis: Redis) -> None:
    send(redis, 1, 3, durable=1)
    append(redis, "p", "shop", report={"accepted": 10, "refused:buffer_full": 4})
    append(redis, "m", "shop", first=1, count=2, body=b"{}\n{}\n", report={"accepted": 7, "durable": 0})
    before = account(redis)
    assert (before.accepted, before.written, before.waiting, before.unknown) == (17, 0, 17, 0)
    assert before.refused == {"buffer_full": 4}
    assert before.lag > 0
    commit_all(redis, Change("add", "producer:p", "dropped:missing", 1))
    redis.hset(KEYS.producer("m"), "seen", 1)  # a memory buffer whose process fell silent
    after = account(redis)
    assert (after.accepted, after.written, after.waiting, after.unknown) == (17, 4, 7, 5)
    assert after.dropped == {"missing": 1}
    assert after.lag == 0
    assert (before.lost, after.lost) == (balance(before), balance(after)) == (0, 0)


def test_an_entry_that_somebody_takes_out_of_the_stream_is_found_to_be_lost(redis: Redis) -> None:
    """What waits is counted, not worked out as the rest."""
    send(redis, 1, 3)
    redis.hincrby(KEYS.shard, "records", -3)
    redis.xtrim(KEYS.stream, 0)
    assert account(redis).lost == 3


def test_producers_that_are_done_are_folded_into_sums(redis: Redis) -> None:
    send(redis, 1, 3, producer="done")
    send(redis, 1, 3, producer="open")
    commit_all(redis)
    append(redis, "done", "shop", report={"closed": 1})
    before = account(redis)
    assert retire(redis) == 1
    assert redis.smembers(KEYS.producers) == {b"open"}
    assert account(redis)[:8] == before[:8]


def test_a_spool_that_is_found_after_its_producer_was_folded_is_counted_once(redis: Redis) -> None:
    send(redis, 1, 3, durable=1)
    append(redis, "p", "shop", report={"accepted": 5})
    commit_all(redis)
    redis.hset(KEYS.producer("p"), "seen", 1)  # silent for years: nobody found its spool
    assert account(redis)[:6] == (5, 3, 0, {}, {}, 2)
    assert retire(redis) == 1
    assert account(redis)[:6] == (5, 3, 0, {}, {}, 2)
    assert send(redis, 1, 3) == "seek"  # somebody did
    assert send(redis, 4, 2) == "ok"
    assert account(redis)[:7] == (5, 3, 2, {}, {}, 0, 0)
    commit_all(redis)
    append(redis, "p", "shop", report={"closed": 1})
    assert retire(redis) == 1
    assert account(redis)[:7] == (5, 5, 0, {}, {}, 0, 0)


def test_producers_are_never_forgotten_while_they_wait(redis: Redis) -> None:
    send(redis, 1, 3, durable=1)
    assert redis.ttl(KEYS.producer("p")) == -1
    assert retire(redis) == 0


def test_at_the_memory_limit_the_writer_takes_leases_reads_and_commits(redis: Redis) -> None:
    send(redis, 1, 3)
    Shard(redis).prepare()
    with memory_limit(redis):
        with pytest.raises(ResponseError, match="maxmemory"):
            send(redis, 4, 3)
        commit_all(redis, Change("add", "a", "n", 1))
    assert append(redis, "p", "shop").committed == 3
    assert redis.hget("tocsin:{0}:a", "n") == b"1"


def test_an_entry_that_is_none_of_ours_is_taken_away(redis: Redis) -> None:
    redis.xadd(KEYS.stream, {"hello": "world"})
    send(redis, 1, 1)
    commit_all(redis)
    assert redis.xlen(KEYS.stream) == 0
    assert append(redis, "p", "shop").committed == 1


def test_a_gap_waits_until_the_writer_has_seen_it(redis: Redis) -> None:
    send(redis, 1, 10)
    commit_all(redis)
    append(
        redis,
        "p",
        "shop",
        first=21,
        count=1,
        body=b"{}\n",
        jump=True,
        gaps="11-20:drop_oldest",
        report={"accepted": 21},
    )
    found = account(redis)
    assert (found.accepted, found.written, found.waiting, found.lost) == (21, 10, 11, 0)
    commit_all(redis, Change("max", "producer:p", "dropped:drop_oldest", 10))
    found = account(redis)
    assert (found.written, found.waiting, found.dropped, found.lost) == (11, 0, {"drop_oldest": 10}, 0)
