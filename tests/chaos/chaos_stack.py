"""A `tocsin up` that can be hurt: faults at named steps, a log folder elsewhere, programs stopped and started."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import ServerProxy

import psutil
import redis
from supervisor.xmlrpc import SupervisorTransport

from logging_core.buffers.spool import spill_root, spool_root
from logging_core.streams.account import Account, account
from logging_core.streams.connection import connect
from tests.servers import Cluster, Sentinels
from tests.stack import Stack, living
from tests.waiting import wait_until

INJECTED = Path(__file__).parent / "injected"
WORDS = {"redis": "-server", "ingest": "ingest@", "worker": "worker@", "beat": "beat", "web": "dashboard"}


@dataclass
class ChaosStack(Stack):
    """A running `tocsin up` with the injected module in its workers."""

    servers: Sentinels | Cluster | None = None  #: of Redis, where it has no embedded one

    def __post_init__(self) -> None:
        self.steps.mkdir(parents=True)
        # What another run left there on the same port would be shipped to us.
        for root in (spool_root(self.redis_url), spill_root(self.redis_url)):
            shutil.rmtree(root, ignore_errors=True)
        super().__post_init__()
        self.read_until("ready in")

    @property
    def steps(self) -> Path:
        """The folder in which faults are asked for; see injected/sitecustomize.py."""
        return self.folder / "steps"

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(INJECTED), os.environ.get("PYTHONPATH"))))
        injected = {"PYTHONPATH": path, "TOCSIN_CHAOS_STEP": str(self.steps)}
        return super().environment | injected | self.extra

    @property
    def logs(self) -> Path:
        """What the programs printed."""
        return self.folder / ".tocsin" / "log"

    @property
    def redis_folder(self) -> Path:
        """The embedded server's append-only files."""
        return self.folder / ".tocsin" / "redis"

    def program(self, name: str) -> psutil.Process | None:
        """A program's main process, if it lives."""
        try:
            for supervisord in psutil.Process(self.up.pid).children():
                for each in living(supervisord.children()):
                    if any(WORDS[name] in word for word in each.cmdline()):
                        return each
        except psutil.NoSuchProcess:
            pass  # it ended while we looked
        return None

    def tree(self, name: str) -> list[psutil.Process]:
        """A program's main process and what it started."""
        main = self.program(name)
        try:
            return [main, *main.children(recursive=True)] if main else []
        except psutil.NoSuchProcess:
            return []

    def kill(self, name: str) -> None:
        """SIGKILL to a program's main process, and wait until another one took its place."""
        main = self.program(name)
        assert main, f"{name} does not run"
        main.kill()
        wait_until(lambda: (now := self.program(name)) and now.pid != main.pid, within=30, what=f"another {name}")

    def suffer(self, step: str) -> None:
        """Ask for a fault at a step, and wait until some process took it."""
        asked = self.steps / step
        asked.touch()
        wait_until(lambda: not asked.exists(), within=30, what=f"the fault {step!r}")

    def switch(self, name: str, *, on: bool) -> None:
        """Have supervisord start a program, or stop it for good."""
        transport = SupervisorTransport(serverurl=f"unix://{self.folder / '.tocsin' / 'supervisor' / 'control.sock'}")
        supervisor = cast("Any", ServerProxy("http://localhost", transport=transport)).supervisor
        try:
            if on:
                supervisor.startProcess(name, False)
            else:
                supervisor.stopProcess(name)
        finally:
            transport.close()

    def ask(self, question: Callable[["redis.Redis"], Any]) -> Any:
        """What Redis answers, or None while it is away."""
        client = connect(self.redis_url, connect_timeout=2, timeout=2)
        try:
            return question(client)
        except redis.RedisError:
            return None
        finally:
            client.close()

    def account(self) -> Account | None:
        """The account, or None while Redis is away."""
        return cast("Account | None", self.ask(account))

    def writer(self) -> psutil.Process | None:
        """The process that holds the lease."""
        found = self.account()
        holder = found and found.shards[0].writer
        return psutil.Process(int(holder.rpartition(":")[2])) if holder else None

    def stop(self) -> None:
        """End all of it, and what it left on tmpfs."""
        try:
            for each in self.processes():
                each.send_signal(signal.SIGCONT)  # whatever a scenario left stopped
        except psutil.NoSuchProcess:
            pass  # `tocsin up` itself is gone
        self.redis.close()
        if self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
        self.ended()
        for root in (spool_root(self.redis_url), spill_root(self.redis_url)):
            shutil.rmtree(root, ignore_errors=True)


@contextmanager
def running_stack(folder: Path, servers: Sentinels | Cluster | None = None, **extra: str) -> Iterator[ChaosStack]:
    """A stack in a folder of its own, for as long as it is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    if servers:
        extra["REDIS_URL"] = servers.url
    stack = ChaosStack(folder, extra=extra, servers=servers)
    try:
        yield stack
    finally:
        stack.stop()
