from collections.abc import Callable, Sequence

from redis import Redis

from logging_core.streams.stream import Change, shard_key
from rules.error_groups import EXPIRY, GROUP, GROUPS, ErrorGroup, ErrorGroups, Place, Sighting, changes, prune
from rules.fingerprint import Group

ON_EVERY_REDIS = True  # see tests/conftest.py

Commit = Callable[[Sequence[Change]], None]

TIMEOUT = Group("aaaaaaaaaaaa", "shop", "TimeoutError", "took <*>")
LOOKUP = Group("bbbbbbbbbbbb", "shop", "KeyError", "no <*>")


def test_sightings_add_up_to_a_group(redis: Redis, commit: Commit) -> None:
    commit(changes(TIMEOUT, Sighting(20.5, 30.25, "took 3s", Place("shop/app.log", 700), count=2)))
    commit(changes(TIMEOUT, Sighting(10.5, 25.0, "took 4s", Place("shop/app.log", 900))))
    assert ErrorGroups(redis).get(TIMEOUT.id) == ErrorGroup(
        id=TIMEOUT.id,
        service="shop",
        error_type="TimeoutError",
        template="took <*>",
        count=3,
        first_seen=10.5,
        last_seen=30.25,
        sample="took 4s",
        place=Place("shop/app.log", 900),
    )


def test_a_sighting_grows_with_the_batch() -> None:
    seen = Sighting(20.0, 20.0, "one", Place("f", 1))
    seen.again(10.0, "two", Place("f", 2))
    assert seen == Sighting(10.0, 20.0, "two", Place("f", 2), count=2)


def test_the_largest_groups_come_first(redis: Redis, commit: Commit) -> None:
    commit(changes(TIMEOUT, Sighting(1.0, 1.0, "", Place("f", 0))))
    commit(changes(LOOKUP, Sighting(1.0, 1.0, "", Place("f", 0), count=2)))
    assert [group.id for group in ErrorGroups(redis).top(5)] == [LOOKUP.id, TIMEOUT.id]
    assert [group.id for group in ErrorGroups(redis).top(1)] == [LOOKUP.id]


def test_a_group_that_is_gone_is_none(redis: Redis, commit: Commit) -> None:
    commit(changes(TIMEOUT, Sighting(1.0, 1.0, "", Place("f", 0))))
    redis.delete(shard_key(0, GROUP + TIMEOUT.id))
    assert ErrorGroups(redis).get(TIMEOUT.id) is None
    assert ErrorGroups(redis).top(5) == []


def test_a_sample_is_cut(redis: Redis, commit: Commit) -> None:
    commit(changes(TIMEOUT, Sighting(1.0, 1.0, "é" * 600, Place("f", 0))))
    group = ErrorGroups(redis).get(TIMEOUT.id)
    assert group
    assert group.sample == "é" * 500


def test_a_group_of_which_nothing_came_for_a_week_leaves_the_index(redis: Redis, commit: Commit) -> None:
    commit(changes(TIMEOUT, Sighting(1.0, 1.0, "", Place("f", 0))))
    commit(changes(LOOKUP, Sighting(1.0, 2.5, "", Place("f", 0))))
    assert prune(redis, EXPIRY + 1) == 1
    assert redis.hkeys(shard_key(0, GROUPS)) == [LOOKUP.id.encode()]


def test_a_place_that_is_not_known_says_nothing() -> None:
    assert str(Place("shop/app.log", 0)) == "shop/app.log:0"
    assert str(Place("shop/app.log", -1)) == ""
