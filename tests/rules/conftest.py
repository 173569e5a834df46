from collections.abc import Callable, Sequence

import pytest
from redis import Redis

from logging_core.streams.shard import Shard
from logging_core.streams.stream import Change

Commit = Callable[[Sequence[Change]], None]


@pytest.fixture
def commit(redis: Redis) -> Commit:
    """Applies changes as the writer does: through commit.lua."""
    shard = Shard(redis)
    assert shard.lease(60)
    version = shard.prepare()

    def apply(changes: Sequence[Change]) -> None:
        nonlocal version
        version = shard.commit(version, [], changes, lease=60)

    return apply
