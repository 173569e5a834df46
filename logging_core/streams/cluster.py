"""A Redis Cluster, as the rest of the code knows a Redis. It brings in redis-py, so connection.py imports it late.

redis-py's own client looks for the cluster when it is made, raises what is no `RedisError`, tries ten times and more,
and gives the replies of a transaction as they came over the wire. Here all of that is as with one server.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, NamedTuple, cast

import redis
from redis._parsers import Encoder
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import AskError, ClusterDownError, RedisClusterException
from redis.retry import Retry

_MOVED = (AskError, ClusterDownError, redis.ConnectionError, redis.TimeoutError)  # MOVED is an ASK to redis-py


class Call(NamedTuple):
    """One command of a pipeline, not sent yet."""

    key: str
    method: str
    args: tuple[Any, ...]
    options: dict[str, Any]


class Cluster(RedisCluster):
    """Finds its nodes with its first command; follows redirections; of other failures, the caller is told at once."""

    def __init__(self, hosts: Sequence[tuple[str, int]], **options: Any) -> None:
        self._hosts, self._options = hosts, options
        self._finding = RLock()  # re-entrant, since redis-py sends a command while it is made
        self._is_finding = self._is_found = False

    def _find(self) -> None:
        if self._is_found:
            return
        with self._finding:
            if self._is_found or self._is_finding:
                return
            self._is_finding = True
            try:
                super().__init__(
                    startup_nodes=[ClusterNode(host, port) for host, port in self._hosts],
                    dynamic_startup_nodes=False,  # names outlive the addresses that they had once
                    retry=Retry(NoBackoff(), 0),
                    **self._options,
                )
                self._is_found = True
            finally:
                self._is_finding = False

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command to the node that holds its keys."""
        with _redis_errors():
            self._find()
            return super().execute_command(*args, **options)

    def determine_slot(self, *args: Any) -> int | None:
        """The slot of a command's keys; redis-py would ask the server where the key of XREADGROUP stands, each time."""
        if args[0] == "XREADGROUP":
            return int(self.keyslot(args[args.index(b"STREAMS") + 1]))
        return super().determine_slot(*args)

    def node_of(self, key: str) -> ClusterNode:
        """The master that holds a key."""
        with _redis_errors():
            self._find()
            return cast("ClusterNode", self.get_node_from_key(key))

    def masters(self) -> dict[str, redis.Redis]:
        """A client of each master, by host and port."""
        with _redis_errors():
            self._find()
            return {node.name: self.get_redis_connection(node) for node in self.get_primaries()}

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "Pipeline":  # noqa: FBT001, FBT002  # as of one server
        """Commands that are sent together."""
        return Pipeline(self, transaction=transaction)

    def send(self, calls: Sequence[Call], *, transaction: bool) -> list[Any]:
        """Send calls to the nodes that hold their keys; their replies, in order.

        A redirection is told as an error, once the nodes are known anew: nothing of that transaction was done.
        """
        nodes: dict[str, ClusterNode] = {}
        of_node: dict[str, list[int]] = {}
        for index, call in enumerate(calls):
            node = self.node_of(call.key)
            nodes[node.name] = node
            of_node.setdefault(node.name, []).append(index)
        if transaction and len(nodes) > 1:
            raise ValueError(f"a transaction over several nodes: {sorted({call.key for call in calls})}")
        replies: dict[int, Any] = {}
        with _redis_errors():
            for name, indexes in of_node.items():
                pipe = self.get_redis_connection(nodes[name]).pipeline(transaction=transaction)
                for call in map(calls.__getitem__, indexes):
                    getattr(pipe, call.method)(*call.args, **call.options)
                try:
                    replies |= zip(indexes, pipe.execute(), strict=True)
                except _MOVED:
                    self.nodes_manager.initialize()
                    raise
        return [replies[index] for index in range(len(calls))]

    def get_encoder(self) -> Any:
        """How scripts become bytes; known before the nodes are."""
        return Encoder("utf-8", "strict", decode_responses=False)

    def close(self) -> None:
        """Close all connections."""
        if self._is_found:
            super().close()


class Pipeline:
    """Notes calls, whose first argument is their key, until they are executed."""

    def __init__(self, cluster: Cluster, *, transaction: bool) -> None:
        self._cluster, self._transaction = cluster, transaction
        self._calls: list[Call] = []

    def __getattr__(self, method: str) -> Any:
        def note(*args: Any, **options: Any) -> "Pipeline":
            # redis-py itself sends DEL and EXISTS in this way: it names the command first.
            key = args[1] if method == "execute_command" else args[0]
            self._calls.append(Call(key, method, args, options))
            return self

        return note

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        self._calls = []

    def execute(self) -> list[Any]:
        """Send what was noted; the replies, in order."""
        calls, self._calls = self._calls, []
        return self._cluster.send(calls, transaction=self._transaction)


@contextmanager
def _redis_errors() -> Iterator[None]:
    """redis-py's errors of a cluster that it cannot find are none of its `RedisError`s."""
    try:
        yield
    except RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from error
