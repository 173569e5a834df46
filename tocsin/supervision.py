"""A running supervisord in a session of its own: start it, ask it, stop it, and leave nothing of it behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from tocsin.errors import OperatorError
from tocsin.programs import PYTHON, Layout

GRACE = 60.0  #: seconds that a stack may take to stop before it is killed
NO_WAIT = (False,)  #: the last argument of starting and stopping
PAUSE = 0.1  #: seconds between two looks
Rpc = Any  #: supervisor's XML-RPC namespace, which answers untyped values


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One program, as supervisord sees it."""

    name: str
    state: str  #: STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED or FATAL
    pid: int  #: 0: not running
    started: int  #: Unix second of the last start; 0: never


class Supervisor:
    """supervisord and the programs under it, all in one session, which Ctrl-C in ours does not reach."""

    def __init__(self, layout: Layout) -> None:
        layout.socket.unlink(missing_ok=True)
        command = [*PYTHON, "-m", "tocsin.supervisord", str(os.getpid()), "-n", "-c", str(layout.configuration)]
        with layout.log("supervisord").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        started = psutil.Process(self._process.pid).create_time()
        layout.session.write_text(f"{self._process.pid} {started}")
        self._address = f"unix://{layout.socket}"
        self._await_control(layout)

    @property
    def alive(self) -> bool:
        """Whether supervisord itself runs."""
        return self._process.poll() is None

    def start(self, name: str) -> None:
        """Start a program, unless it runs already; what becomes of it is for `programs` to say."""
        try:
            self._rpc.startProcess(name, *NO_WAIT)
        except Fault:
            pass  # it is being started or could not be: its state tells

    def programs(self) -> list[ProgramState]:
        """The programs, in the order of starting.

        Raises:
            OSError: where supervisord does not answer.
        """
        answers = self._rpc.getAllProcessInfo()
        return [ProgramState(each["name"], each["statename"], each["pid"], each["start"]) for each in answers]

    def stop(self, waves: Sequence[Sequence[str]], *, impatient: Callable[[], bool]) -> list[str]:
        """Stop the programs, wave after wave; kill what is left after GRACE seconds or as soon as `impatient`.

        Returns:
            The command lines of what had to be killed.
        """
        deadline = time.monotonic() + GRACE

        def waiting() -> bool:
            time.sleep(PAUSE)
            return self.alive and time.monotonic() < deadline and not impatient()

        try:
            for wave in waves:
                self._ask_to_stop(wave)
                while self._any_runs(wave) and waiting():
                    pass
        except OSError:
            pass  # supervisord is gone, and what it left is killed below
        self._process.terminate()
        while self.alive and waiting():
            pass
        killed = kill_session(self._process.pid)
        self._process.wait()
        return killed

    def _ask_to_stop(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                self._rpc.stopProcess(name, *NO_WAIT)
            except Fault:
                pass  # it does not run

    def _any_runs(self, names: Sequence[str]) -> bool:
        return any(each.pid for each in self.programs() if each.name in names)

    @property
    def _rpc(self) -> Rpc:
        """A new connection: supervisor's transport cannot be used again after a call that failed."""
        transport = SupervisorTransport(serverurl=self._address)
        return cast("Rpc", ServerProxy("http://localhost", transport=transport)).supervisor

    def _await_control(self, layout: Layout) -> None:
        while self.alive:
            try:
                self._rpc.getState()
            except OSError:
                time.sleep(PAUSE)
            else:
                return
        raise OperatorError(f"supervisord did not start; see {layout.log('supervisord')}")


def stop_previous(layout: Layout) -> list[str]:
    """Stop what a `tocsin up` that was killed left of its stack.

    Returns:
        The command lines of what had to be killed.
    """
    try:
        sid, started = layout.session.read_text().split()
    except (FileNotFoundError, ValueError):
        return []
    session = int(sid)
    if _is_reused(session, float(started)):
        return []
    deadline = time.monotonic() + GRACE
    if _lives(session):
        os.kill(session, signal.SIGTERM)
    while _lives(session) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    killed = kill_session(session)
    layout.session.unlink()
    return killed


def kill_session(session: int) -> list[str]:
    """Kill every process of a session at once; the command lines of those there were."""
    killed: dict[int, str] = {}
    while members := list(_members(session)):  # again, since a member may have forked meanwhile
        for member in members:
            try:
                killed[member.pid] = " ".join(member.cmdline())
                member.kill()
            except psutil.NoSuchProcess:
                pass  # it ended by itself
        psutil.wait_procs(members, timeout=1)
    return list(killed.values())


def _members(session: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and _lives(process.pid):
                yield process
        except ProcessLookupError:
            pass  # it ended while we looked


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)  # which its parent has yet to collect
    except psutil.NoSuchProcess:
        return False


def _is_reused(session: int, started: float) -> bool:
    """Whether the number names something younger than our session; while a member lives, the kernel keeps it ours."""
    if psutil.boot_time() > started:
        return True
    try:
        return abs(psutil.Process(session).create_time() - started) > 1
    except psutil.NoSuchProcess:
        return False
