"""What `tocsin up` does while it waits: it hears the signals, and sees the programs end and start again."""

import signal
import time
from collections.abc import Callable
from types import FrameType

import redis
from rich.console import Console

from tocsin.errors import OperatorError, SupervisorDiedError
from tocsin.programs import Layout
from tocsin.supervision import ProgramState, Supervisor

PAUSE = 0.2  #: seconds between two looks
PATIENCE = 120.0  #: seconds that a part may take to become ready; a big append-only file takes long to load
RESTARTS = 3  #: of one program before the stack was ready: it never will be
TAIL = 15  #: lines of its log that are shown then


class StopRequested(Exception):  # noqa: N818 (no error: somebody wants to go home)
    """Ctrl-C, or a signal that means the same."""


class Signals:
    """Counts SIGINT, SIGTERM and SIGHUP: the first asks to stop, the second insists."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def pause(self) -> None:
        """Rest for a moment; raises StopRequested once a signal has come."""
        time.sleep(PAUSE)
        if self.count:
            raise StopRequested

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


class Watch:
    """Looks after the programs: tells of each restart, and gives up on one that keeps ending before all were ready."""

    def __init__(self, supervisor: Supervisor, layout: Layout, signals: Signals, console: Console) -> None:
        self.supervisor = supervisor
        self.layout = layout
        self.console = console
        self.states: dict[str, ProgramState] = {}
        self._signals = signals
        self._restarts: dict[str, int] = {}
        self._since = time.monotonic()
        self.was_ready = False

    @property
    def elapsed(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._since

    def until(self, name: str, is_ready: Callable[[], object]) -> None:
        """Wait until a part is ready.

        Raises:
            OperatorError: where it takes too long or a program keeps dying.
        """
        deadline = time.monotonic() + PATIENCE
        with self.console.status(f"waiting for {name}"):
            while not _holds(is_ready):
                self._look()
                for state in self.states.values():
                    if state.state == "FATAL" or self._restarts.get(state.name, 0) >= RESTARTS:
                        raise OperatorError(self._obituary(state))
                if time.monotonic() > deadline:
                    raise OperatorError(f"{name} is not ready after {PATIENCE:.0f} s; see {self.layout.log(name)}")
        self.console.print(f"  {name:<8} ready after {self.elapsed:4.1f} s")

    def keep(self) -> None:
        """Keep everything running until StopRequested; what keeps dying is started again, since outages end."""
        self.was_ready = True
        while True:
            self._look()
            for state in self.states.values():
                if state.state == "FATAL":
                    self.console.print(self._obituary(state), "trying again", sep="\n")
                    self.supervisor.start(state.name)

    def _look(self) -> None:
        self._signals.pause()
        if not self.supervisor.alive:
            raise SupervisorDiedError(f"supervisord died; see {self.layout.log('supervisord')}")
        try:
            states = self.supervisor.programs()
        except OSError:
            return  # supervisord is ending, as the next look finds
        for state in states:
            before = self.states.get(state.name)
            if before and before.started and state.started != before.started:
                self._restarts[state.name] = self._restarts.get(state.name, 0) + 1
                self.console.print(f"  {state.name} ended and was started again")
            self.states[state.name] = state

    def _obituary(self, state: ProgramState) -> str:
        log = self.layout.log(state.name)
        try:
            lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        except OSError as error:  # it ended before it could print anything, or the disk is full
            lines = [f"({error.strerror})"]
        return "\n    ".join([f"{state.name} keeps ending; the last lines of {log}:", *lines])


def _holds(is_ready: Callable[[], object]) -> bool:
    try:
        return bool(is_ready())
    except redis.RedisError:
        return False  # it is loading, or away for a moment
