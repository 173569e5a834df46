"""`tocsin up`: the whole stack in the foreground, until Ctrl-C."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import requests
from rich.console import Console

from logging_core.streams.connection import shown
from tasks import heartbeat, schedule, wiring
from tasks.settings import Settings
from tocsin import embedded_redis, programs, supervision
from tocsin.errors import OperatorError, SupervisorDiedError
from tocsin.programs import Layout, Program
from tocsin.supervision import Supervisor
from tocsin.watch import Signals, StopRequested, Watch


def run(settings: Settings, console: Console) -> None:
    """Start the stack, say when it is ready, keep it running, and stop all of it when asked to.

    Raises:
        OperatorError: where it cannot start.
    """
    layout = Layout(settings.data_dir.resolve())
    signals = Signals()
    for folder in (layout.data_dir, layout.configuration.parent, layout.log("redis").parent, layout.redis):
        embedded_redis.make_folder(folder)
    with _only_one(layout):
        while not _run_until_stopped(settings, layout, signals, console):
            console.print("supervisord was killed; starting everything again")
    console.print("stopped")


def _run_until_stopped(settings: Settings, layout: Layout, signals: Signals, console: Console) -> bool:
    """Start the stack and keep it running; False: its supervisor was killed after it had been ready."""
    for command in supervision.stop_previous(layout):
        console.print(f"killed what an earlier run left behind: {command}")
    _check_surroundings(settings)
    redis_programs = [programs.redis_program(settings, layout)] if settings.embedded else []
    stack = programs.stack(settings)
    layout.configuration.write_text(programs.supervisord_configuration([*redis_programs, *stack], layout))
    supervisor = Supervisor(layout)
    watch = Watch(supervisor, layout, signals, console)
    try:
        _bring_up(settings, watch, redis_programs, stack)
        _say_ready(settings, watch)
        watch.keep()
    except StopRequested:
        pass
    except SupervisorDiedError:
        if watch.was_ready:
            return False
        raise
    finally:
        if supervisor.alive:
            console.print("stopping; Ctrl-C again kills" if signals.count else "stopping")
            waves = [[each.name for each in wave] for wave in (stack, redis_programs)]
            for command in supervisor.stop(waves, impatient=lambda: signals.count > 1):
                console.print(f"killed {command}")
            layout.session.unlink(missing_ok=True)
    return True


@contextmanager
def _only_one(layout: Layout) -> Iterator[None]:
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise OperatorError(f"tocsin up already runs on {layout.data_dir} (pid {lock.read().strip()})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_surroundings(settings: Settings) -> None:
    _check_port(settings.web.host, settings.web.port, "TOCSIN__WEB__PORT")
    if settings.embedded:
        _check_port(embedded_redis.HOST, settings.redis.port, "TOCSIN__REDIS__PORT")
        return
    try:
        wiring.redis_client().ping()
    except redis.RedisError as error:
        raise OperatorError(f"Redis at {shown(settings.redis_url)} does not answer: {error}") from error


def _check_port(host: str, port: int, setting: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise OperatorError(f"port {port} of {host} cannot be had ({error.strerror}); set {setting}") from error


def _bring_up(settings: Settings, watch: Watch, redis_programs: list[Program], stack: list[Program]) -> None:
    for program in redis_programs:
        watch.supervisor.start(program.name)
    watch.until("redis", lambda: wiring.redis_client().ping())
    since = wiring.now()
    for program in stack:
        watch.supervisor.start(program.name)
    watch.until("ingest", lambda: _worker_lives("ingest", watch))
    watch.until("evaluate", lambda: _worker_lives("evaluate", watch))
    watch.until("worker", lambda: _worker_lives("worker", watch))
    watch.until("beat", lambda: (schedule.last_tick(wiring.redis_client()) or 0.0) > since)
    watch.until("web", lambda: _web_is_healthy(settings))


def _worker_lives(program: str, watch: Watch) -> bool:
    pid = watch.states[program].pid if program in watch.states else 0
    living = heartbeat.workers(wiring.redis_client())
    return any(worker.name.startswith(f"{program}@") and worker.pid == pid for worker in living)


def _web_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.web.host, settings.web.host)  # noqa: S104 (not bound)
    return f"http://{host}:{settings.web.port}"


def _web_is_healthy(settings: Settings) -> bool:
    try:
        return requests.get(f"{_web_url(settings)}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


def _say_ready(settings: Settings, watch: Watch) -> None:
    url = shown(settings.redis_url)
    watch.console.print(
        f"ready in {watch.elapsed:.1f} s; Ctrl-C stops everything",
        f"  records   {settings.log_dir.resolve()}",
        f"  web       {_web_url(settings)}/status  /healthz  /metrics",
        f"  redis     {url}{' (embedded)' if settings.embedded else ''}",
        f"  programs  {watch.layout.log('*')}",
        "in your application:",
        f"  logging.getLogger().addHandler(logging_core.RedisStreamHandler({url!r}, service='shop'))",
        sep="\n",
    )
