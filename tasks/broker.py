"""The broker and beat's schedule, as Celery and RedBeat want to be told of them.

Both live in one Redis, which need not be that of the data: neither of them works with a cluster. Where the broker is no
Redis, the schedule is kept with the data.
"""

from typing import Any
from urllib.parse import quote

from logging_core.streams.connection import Address
from tasks.settings import SCHEDULE_SCHEMES, Settings

KEY_PREFIX = "tocsin:celery:"
SCHEDULE_PREFIX = "tocsin:redbeat:"


def url(configured: Settings) -> str:
    """The broker's URL in kombu's words: of Sentinels one for each, with semicolons between them."""
    given = configured.broker_url
    if given.startswith("unix:"):
        address = Address.of(given)
        return f"redis+socket://{_userinfo(address)}{address.path}?virtual_host={address.database}"
    if sentinels := _sentinels(given):
        places = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in sentinels.hosts)
        return ";".join(f"sentinel://{_userinfo(sentinels)}{place}/{sentinels.database}" for place in places)
    return given


def transport_options(configured: Settings) -> dict[str, Any]:
    """Celery's `broker_transport_options`."""
    # No retries: whoever sends has a second way, and the ingest task must not stand still longer than its lease.
    options = {"global_keyprefix": KEY_PREFIX, "socket_keepalive": True, "max_retries": 0}
    # A server that is frozen, or gone without a word, never answers.
    options |= {"socket_connect_timeout": 2, "socket_timeout": 5, "health_check_interval": 5}
    sentinels = _sentinels(configured.broker_url)
    return options if sentinels is None else options | {"master_name": sentinels.master}


def schedule(configured: Settings, timeout: float) -> dict[str, Any]:
    """RedBeat's part of Celery's configuration; the timeout of its connection, in seconds."""
    broker = configured.broker_url
    home = broker if broker.startswith(tuple(f"{scheme}:" for scheme in SCHEDULE_SCHEMES)) else configured.redis_url
    options: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": timeout}
    if sentinels := _sentinels(home):
        home = "redis-sentinel://"  # RedBeat goes by the scheme alone, and would print the rest
        options |= {"sentinels": sentinels.hosts, "service_name": sentinels.master, "db": int(sentinels.database)}
        options |= sentinels.credentials
    return {"redbeat_redis_url": home, "redbeat_redis_options": options, "redbeat_key_prefix": SCHEDULE_PREFIX}


def _userinfo(address: Address) -> str:
    if address.password is None:
        return ""
    return f"{quote(address.username or '', safe='')}:{quote(address.password, safe='')}@"


def _sentinels(url: str) -> Address | None:
    return Address.of(url) if url.startswith("redis-sentinel:") else None
