"""The programs that make up the stack, and the supervisord configuration that keeps them running."""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from tasks.settings import Settings
from tocsin import embedded_redis
from tocsin.errors import OperatorError

PYTHON = (sys.executable, "-P")  # -P: nothing in the working folder shadows a package of ours
UNUSABLE = "%#;\"'\\\n"  # supervisord's configuration gives these a meaning
LONGEST = 70  # characters; the address of a Unix socket holds 108 bytes, and supervisord first binds a longer name


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process."""

    name: str
    command: list[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the stack keeps its own files."""

    data_dir: Path  #: absolute

    def __post_init__(self) -> None:
        path = str(self.data_dir)
        if len(os.fsencode(path)) > LONGEST:
            raise OperatorError(f"data_dir {path} is longer than {LONGEST} bytes; set TOCSIN__DATA_DIR")
        if any(character in path for character in UNUSABLE):
            raise OperatorError(f"data_dir {path} holds one of {UNUSABLE!r}; set TOCSIN__DATA_DIR")

    @property
    def lock(self) -> Path:
        """Held while a stack runs; holds the pid of its `tocsin up`."""
        return self.data_dir / "up.lock"

    @property
    def session(self) -> Path:
        """The session that the last stack ran in: its id and the time it started."""
        return self.data_dir / "supervisor" / "session"

    @property
    def configuration(self) -> Path:
        """What supervisord reads; `supervisorctl -c` takes it too."""
        return self.data_dir / "supervisor" / "supervisord.conf"

    @property
    def socket(self) -> Path:
        """Where supervisord listens, its owner only."""
        return self.data_dir / "supervisor" / "control.sock"

    @property
    def redis(self) -> Path:
        """The embedded Redis' append-only files."""
        return self.data_dir / "redis"

    def log(self, program: str) -> Path:
        """What a program printed."""
        return self.data_dir / "log" / f"{program}.log"


def redis_program(settings: Settings, layout: Layout) -> Program:
    """The embedded Redis."""
    return Program("redis", embedded_redis.command(settings.redis.port, layout.redis))


def stack(settings: Settings) -> list[Program]:
    """Everything on top of Redis, in the order of starting; stopped in the reverse order."""
    celery = [*PYTHON, "-m", "tasks"]
    level = ["--loglevel", settings.log_level]
    worker = [*celery, "worker", *level, "--without-gossip", "--without-mingle"]
    return [
        # A process for each shard, and one for their guard.
        Program("ingest", [*worker, "-Q", "ingest", "-c", str(settings.ingest.shards + 1), "-n", "ingest@%h"]),
        # Evaluation has a worker of its own: no slow receiver, and no long scan, may keep it from its turn.
        Program("evaluate", [*worker, "-Q", "evaluate", "-c", "1", "-n", "evaluate@%h"]),
        Program("worker", [*worker, "-Q", "notify,scan,recover,maintain", "-c", "4", "-n", "worker@%h"]),
        Program("beat", [*celery, "beat", *level]),
        Program("web", [*PYTHON, "-m", "dashboard"]),
    ]


def supervisord_configuration(programs: list[Program], layout: Layout) -> str:
    """The text of supervisord.conf; nothing starts by itself, since the stack waits for its Redis."""
    control = f"""\
[unix_http_server]
file = {layout.socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{layout.socket}

[supervisord]
nodaemon = true
silent = true
pidfile = {layout.configuration.with_suffix(".pid")}
logfile = {layout.log("supervisord")}
logfile_maxbytes = 10MB
logfile_backups = 3
"""
    return "\n".join([control, *(_section(each, order, layout) for order, each in enumerate(programs, start=1))])


def _section(program: Program, priority: int, layout: Layout) -> str:
    # The pause before a retry grows by a second each time: startretries bounds it, since `tocsin up` then starts anew.
    return f"""\
[program:{program.name}]
command = {shlex.join(program.command).replace("%", "%%")}
priority = {priority}
autostart = false
autorestart = true
startsecs = 3
startretries = 5
stopsignal = TERM
stopwaitsecs = 15
killasgroup = true
redirect_stderr = true
stdout_logfile = {layout.log(program.name)}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""
