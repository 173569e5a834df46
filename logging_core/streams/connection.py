"""Clients of Redis by its URL: the one place that knows whether that is a server, a cluster, or a Sentinel's master.

    redis://[USER:PASSWORD@]HOST:PORT[/DB]                                  a server; rediss:// with TLS, unix:///PATH
    redis-cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT                     a cluster, by some of its nodes;
                                                                            rediss-cluster:// with TLS
    redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT[/DB]?master=NAME   the master of that name, by its Sentinels

Whatever it is, a client answers in bytes, tries nothing again by itself (whoever calls knows better when to), and
fails with a `redis.RedisError`. Keys that meet in one step carry one hash tag, so they are in one slot of a cluster.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

if TYPE_CHECKING:  # 70 ms that an application need not pay when it imports us
    import redis

SERVER, CLUSTER, SENTINEL = ("redis", "rediss", "unix"), ("redis-cluster", "rediss-cluster"), ("redis-sentinel",)
SCHEMES = SERVER + CLUSTER + SENTINEL
WANTED = (
    "a URL such as redis://HOST:PORT/0 (redis, rediss or unix), redis-cluster://HOST:PORT,HOST:PORT or "
    "redis-sentinel://HOST:PORT,HOST:PORT/0?master=NAME"
)
#: The key whose holder's clock is everybody's. Nodes of a cluster may be apart.
CLOCK = "tocsin:{0}:shard"
#: What connecting, sending and receiving import; a thread that does so beside a fork needs it to be there already.
#: redis.* by us; the encodings for getaddrinfo; email for redis, which asks for its own version.
MODULES = (
    "redis.backoff",
    "redis.retry",
    "redis.sentinel",
    "logging_core.streams.cluster",
    "encodings.idna",
    "email.parser",
)


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]  #: of a server, a cluster's nodes, or the Sentinels; none: a Unix socket
    database: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    master: str = ""  #: the name that Sentinels know it by
    path: str = ""  #: of a Unix socket

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read a URL.

        Raises:
            ValueError: it is none of ours; the text holds nothing of it, which may be a password.
        """
        try:
            return _read(url)
        except ValueError:  # its own text quotes what it stumbled over
            raise ValueError(f"must be {WANTED}") from None

    @property
    def is_cluster(self) -> bool:
        """Whether keys live on several nodes."""
        return self.scheme in CLUSTER

    @property
    def is_sentinel(self) -> bool:
        """Whether Sentinels say where the master is."""
        return self.scheme in SENTINEL

    @property
    def credentials(self) -> dict[str, str]:
        """Options of a client."""
        given = {"username": self.username, "password": self.password}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def name(self) -> str:
        """One name for a Redis, by whatever URL it is called; good as the name of a file."""
        places = sorted((_plain(host), port) for host, port in self.hosts)
        if self.scheme in SERVER:
            where = f"unix{self.path}" if self.path else "{}_{}".format(*places[0])
            return f"{where}_{self.database}".replace("/", "_")
        digest = hashlib.sha256(repr(places).encode()).hexdigest()[:12]
        return (
            f"cluster_{digest}" if self.is_cluster else f"sentinel_{_file_name(self.master)}_{digest}_{self.database}"
        )


def _read(url: str) -> Address:
    parts = urlsplit(url)
    if "://" not in url or parts.scheme not in SCHEMES:
        raise ValueError("scheme")
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, password = (unquote(part) or None for part in userinfo.partition(":")[::2])
    query = parse_qs(parts.query)
    if parts.scheme == "unix":
        return Address(parts.scheme, (), query.get("db", ["0"])[0], username, password, path=parts.path)
    if parts.scheme in SERVER:
        database = query.get("db", [""])[0] or parts.path.strip("/") or "0"
        return Address(parts.scheme, (_place(parts, 6379, "localhost"),), database, username, password)
    default, known = (6379, set()) if parts.scheme in CLUSTER else (26379, {"master"})
    database, master = parts.path.strip("/") or "0", query.get("master", [""])[0]
    if query.keys() - known or not database.isdecimal() or (parts.scheme in CLUSTER and database != "0"):
        raise ValueError("more than is known")
    if parts.scheme in SENTINEL and not master:
        raise ValueError("master")
    return Address(
        parts.scheme,
        tuple(_place(urlsplit(f"//{host}"), default) for host in hosts.split(",")),
        database,
        username,
        password,
        master,
    )


def _place(parts: SplitResult, port: int, host: str = "") -> tuple[str, int]:
    """A host and its port, or the given ones where there is none."""
    if not (parts.hostname or host) or parts.port == 0:
        raise ValueError("host")
    return parts.hostname or host, parts.port or port


def _plain(host: str) -> str:
    return "127.0.0.1" if host in ("localhost", "::1") else host


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def shown(url: str) -> str:
    """A URL, or several with semicolons between them, for people: without what may be a password."""
    plain = (re.sub(r"://([^:/@]*)(:?).*@", _hidden, each) for each in url.split(";"))
    return ";".join(re.sub(r"([?&](?:username|password)=)[^&#]*", r"\1**", each) for each in plain)


def _hidden(found: re.Match[str]) -> str:
    return f"://{found[1]}{':**' if found[2] else ''}@"


def connect(url: str, *, connect_timeout: float, timeout: float) -> "redis.Redis":
    """A client, which connects with its first command; the timeouts, in seconds, are of each step on the way.

    Raises:
        ValueError: the URL is none of ours.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address = Address.of(url)
    options: dict[str, Any] = {"socket_connect_timeout": connect_timeout, "socket_timeout": timeout, "protocol": 2}
    if address.is_cluster:
        from logging_core.streams.cluster import Cluster

        secure = {"ssl": True} if address.scheme == "rediss-cluster" else {}
        return cast("redis.Redis", Cluster(address.hosts, **secure, **address.credentials, **options))
    options["retry"] = Retry(NoBackoff(), 0)
    if address.is_sentinel:
        from redis.sentinel import Sentinel

        sentinel = Sentinel(address.hosts, sentinel_kwargs=options)
        master = sentinel.master_for(address.master, db=int(address.database), **address.credentials, **options)
        return cast("redis.Redis", master)
    return redis.Redis.from_url(url, **options)


def clock(client: "redis.Redis", key: str = CLOCK) -> float:
    """Redis' clock, in Unix seconds: of a cluster that of the node that holds the key."""
    seconds, micros = client.time(**_at(client, key))
    return float(seconds) + float(micros) / 1e6


def info(client: "redis.Redis", section: str, key: str) -> dict[str, Any]:
    """What the server that holds a key says of itself."""
    return client.info(section, **_at(client, key))


def servers(client: "redis.Redis") -> "dict[str, redis.Redis]":
    """The servers that take writes, by host and port: of a cluster its masters; else the one there is, without a name.

    Raises:
        redis.RedisError: the cluster does not answer.
    """
    masters = getattr(client, "masters", None)
    return cast("dict[str, redis.Redis]", masters()) if masters else {"": client}


def _at(client: "redis.Redis", key: str) -> dict[str, Any]:
    """What sends a command that has no key to the server that holds one."""
    node_of = getattr(client, "node_of", None)
    return {"target_nodes": node_of(key)} if node_of else {}
