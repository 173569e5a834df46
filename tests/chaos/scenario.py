"""What a scenario is, and how one is run: `run_one` gives its row of the table."""

import logging
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.arena import FAILURES, Arena, Findings
from tests.chaos.chaos_stack import ChaosStack, running_stack

_logger = logging.getLogger(__name__)
Opening = Callable[[Path], AbstractContextManager[ChaosStack]]


class SkippedError(Exception):
    """This machine cannot show it; the text says why."""


@dataclass(frozen=True)
class Scenario:
    """One fault."""

    fault: str
    run: Callable[[Arena], None]
    quick: bool = True  #: `make test` runs it too
    fresh: bool = False  #: it needs a stack of its own, and leaves none that others could use
    opening: Opening = running_stack  #: how that one is started
    slowest_ms: float | None = None  #: no call of the application may take longer
    back_s: float | None = None  #: back by itself within
    alert: str | None = None  #: that people are told
    beside: bool = False  #: in the second track: most of these wait, and take as long as the others together

    @property
    def to_hold(self) -> str:
        """What is demanded, as the table says it."""
        parts = [
            "each exactly once",
            self.slowest_ms is not None and f"calls < {self.slowest_ms:.0f} ms",
            self.back_s is not None and f"back < {self.back_s:.0f} s",
            self.alert,
        ]
        return ", ".join(filter(None, parts))

    @property
    def name(self) -> str:
        """As a service's name."""
        return re.sub("[^a-z0-9]+", "-", self.fault.lower()).strip("-")[:60]


@dataclass(frozen=True)
class Row:
    """How a scenario ended."""

    fault: str
    findings: Findings
    held: bool | None  #: None: skipped
    seconds: float
    why: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        row = asdict(self.findings)
        del row["problems"]
        return {"fault": self.fault, **row, "held": self.held, "seconds": round(self.seconds, 1), "why": self.why}


class Stage:
    """The stack that scenarios share, as long as it is sound, and those that have one of their own; one at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._exits = ExitStack()
        self._shared: ChaosStack | None = None

    def for_scenario(self, scenario: Scenario) -> ChaosStack:
        """A running stack."""
        if scenario.fresh or self._shared is None:
            self.close()
            folder = Path(tempfile.mkdtemp(prefix="s", dir=self._root))
            stack = self._exits.enter_context(scenario.opening(folder))
            self._shared = None if scenario.fresh else stack
            return stack
        return self._shared

    def close(self) -> None:
        """Stop what runs."""
        self._shared = None
        exits, self._exits = self._exits, ExitStack()
        exits.close()


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage in a folder that is short enough for a Unix socket, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        opened = Stage(Path(folder))
        try:
            yield opened
        finally:
            opened.close()


def run_one(scenario: Scenario, on: Stage, seed: int, *, quick: bool) -> Row:
    """Run a scenario; whatever it meets becomes its row."""
    began = time.monotonic()
    findings, why = Findings(), []
    arena: Arena | None = None
    try:
        arena = Arena(on.for_scenario(scenario), scenario.name, random.Random(seed), quick=quick)
        scenario.run(arena)
    except SkippedError as reason:
        on.close()
        return Row(scenario.fault, findings, None, time.monotonic() - began, [str(reason)])
    except FAILURES as error:
        _logger.debug("%s", scenario.fault, exc_info=True)
        why.append(f"{type(error).__name__}: {error}".partition("\n")[0])
    if arena:
        findings = arena.finish()
        arena.abandon()
    why += [*findings.problems, *_broken(scenario, findings, quick=quick)]
    if why and arena:
        why.append(f"see {_kept(arena.stack.logs, scenario.name)}")
    if why or scenario.fresh:
        on.close()
    return Row(scenario.fault, findings, not why, time.monotonic() - began, why)


def _kept(logs: Path, name: str) -> Path:
    """What the programs printed, saved from the folder that goes."""
    kept = Path(tempfile.mkdtemp(prefix=f"tocsin-{name}-"))
    return shutil.copytree(logs, kept, dirs_exist_ok=True)


def _broken(scenario: Scenario, findings: Findings, *, quick: bool) -> list[str]:
    """The limits that were passed; of time only in full, where the machine is ours."""
    slow = scenario.slowest_ms is not None and findings.slowest_own_ms > scenario.slowest_ms
    late = scenario.back_s is not None and (findings.back_s is None or findings.back_s > scenario.back_s)
    wrong = {
        f"{findings.lost} records lost": findings.lost > 0,
        f"{findings.duplicated} records twice": findings.duplicated > 0,
        f"a call took {findings.slowest_own_ms:.0f} ms": slow and not quick,
        f"{scenario.alert} did not fire": scenario.alert is not None and findings.alert_s is None,
        f"back after {findings.back_s} s": late and not quick,
    }
    return [text for text, holds in wrong.items() if holds]
