"""What has not moved for a long time is forgotten, so that labels which were in use once are not kept for ever."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from redis import Redis

_BATCH = 1000  # fields a script: Redis answers nobody else meanwhile


def forget(redis: "Redis", keys: Sequence[str], limit: float) -> int:
    """Drop, from all these hashes, the fields whose number in the first one is not above `limit`; how many."""
    held = cast("dict[bytes, bytes]", redis.hgetall(keys[0]))
    old = [field for field, number in held.items() if float(number) <= limit]
    script = redis.register_script(Path(__file__).with_name("forget.lua").read_text())
    return sum(
        int(script(keys=keys, args=[limit, *old[start : start + _BATCH]])) for start in range(0, len(old), _BATCH)
    )
