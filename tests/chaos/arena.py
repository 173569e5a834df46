"""Where a scenario happens: a running stack, applications that log into it, a witness of the account, and the verdict.

The verdict rests on three sources that know nothing of each other: the ledgers of the applications (what was accepted),
the files (what arrived), and Tocsin's own account.
"""

import gzip
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

import orjson
import psutil
import pytest

from alerts.model import State
from alerts.store import AlertStore
from logging_core.streams.account import Account
from tests.chaos.application import ERROR_EVERY, WIDTH
from tests.chaos.chaos_stack import ChaosStack
from tests.hostile import Parts, mistakes
from tests.stack import living
from tests.waiting import wait_until

SETTLED_WITHIN = 90.0  #: seconds that everything may take to be written once the applications have ended
LOOK_EVERY = 0.25  #: seconds
_ID = re.compile(rb'"(?:id|function)":"([0-9.]{%d})"' % WIDTH)  # a hostile record has its id for its function
FAILURES = (Exception, pytest.fail.Exception)  #: what a part that does not do as it should ends in


@dataclass
class Findings:
    """What became of a scenario's records."""

    accepted: int = 0
    refused: int = 0
    lost: int = 0
    duplicated: int = 0
    slowest_ms: float = 0.0  #: a call
    slowest_own_ms: float = 0.0  #: less the time in which its thread could have run, and the machine ran others
    back_s: float | None = None
    alert_s: float | None = None  #: from the fault's beginning
    problems: list[str] = field(default_factory=list)


@dataclass
class _Application:
    process: "subprocess.Popen[str]"

    def say(self, command: str) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.write(f"{command}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it was killed, which is what scenarios do


class Witness(threading.Thread):
    """Looks at the account all the while, and notes what cannot be."""

    def __init__(self, stack: ChaosStack, base: Account, accepted: Callable[[], int]) -> None:
        super().__init__(name="witness", daemon=True)
        self._stack, self._base, self._accepted = stack, base, accepted
        self._stopped = threading.Event()
        self.looks = 0
        self.problems: list[str] = []

    def run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY):
            found = self._stack.account()
            if found is None:
                continue  # Redis is away: nobody can look
            self.looks += 1
            accepted, written = found.accepted - self._base.accepted, found.written - self._base.written
            sum_ = found.written + found.waiting + sum(found.dropped.values()) + found.unknown
            in_ledgers = self._accepted()  # later than the look, so never less
            wrong = {
                f"accepted {accepted} is not the sum {sum_ - self._base.accepted}": sum_ != found.accepted,
                f"waiting is {found.waiting}": found.waiting < 0,
                f"written {written} of {in_ledgers} accepted": written > in_ledgers,
            }
            self.problems += [f"the account: {text}" for text, holds in wrong.items() if holds]

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopped.set()
        self.join()


class Arena:
    """One scenario's own applications, service and ledger on a stack that others may have used before."""

    def __init__(self, stack: ChaosStack, service: str, dice: random.Random, *, quick: bool) -> None:
        self.stack = stack
        self.service = service
        self.dice = dice
        self.quick = quick
        self.killed = 0  #: threads of applications that were killed: each may have one record more than its ledger
        self.problems: list[str] = []
        self._ledger = Path(tempfile.mkdtemp(prefix=f"{service}-", dir=stack.folder))
        self._applications: list[_Application] = []
        self._fault_over: tuple[float, set[bytes]] | None = None
        self._back: float | None = None
        self._alert: float | None = None
        wait_until(lambda: (now := stack.account()) and now.waiting == 0, within=60, what="a quiet stack")
        base = stack.account()
        assert base
        self._base = base
        self._witness = Witness(stack, base, self._at_most_accepted)
        self._witness.start()

    # -- for scenarios ---------------------------------------------------------------------------------------------

    def application(self, *, go: bool = True, **options: Any) -> _Application:
        """Start an application; it logs from now on, or once it is told `go`."""
        command = [sys.executable, str(Path(__file__).with_name("application.py"))]
        arguments = [self.stack.redis_url, self.service, str(self._ledger), json.dumps(options)]
        process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.stack.folder, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        application = _Application(process)
        self._applications.append(application)
        if go:
            application.say("go")
        return application

    def kill(self, application: _Application) -> None:
        """SIGKILL to an application; its children live on."""
        self.killed += len(list(self._ledger.glob(f"{application.process.pid}.*.ids")))
        application.process.kill()
        application.process.wait()

    def rest(self, full: float, quick: float | None = None) -> None:
        """Let the load run for so many seconds."""
        time.sleep(full if quick is None or not self.quick else quick)

    @property
    def accepted(self) -> int:
        """How many records the ledgers hold."""
        return sum(path.stat().st_size for path in self._ledger.glob("*.ids")) // (WIDTH + 1)

    @property
    def written(self) -> int | None:
        """How many of this scenario's records the account says are written; None while Redis is away."""
        found = self.stack.account()
        return found and found.written - self._base.written

    @property
    def refused(self) -> int:
        """How many of this scenario's records the account says were refused."""
        found = self.stack.account()
        return sum(found.refused.values()) - sum(self._base.refused.values()) if found else 0

    def wait_for(self, application: _Application) -> None:
        """Have an application end by itself, once it has logged what it has to."""
        application.say("end")
        application.process.wait(timeout=300)

    def hostile_mistakes(self) -> list[str]:
        """What is wrong with the lines of hostile records that have arrived."""
        expected = {
            int(path.stem): [Parts.expecting(line) for line in path.read_text().splitlines()]
            for path in self._ledger.glob("*.expected")
        }
        found = []
        for line in chain.from_iterable(map(_lines, (self.stack.log_dir / self.service).glob("app*.log*"))):
            pid, _, number = orjson.loads(line)["function"].split(".")
            found += mistakes(expected[int(pid)][int(number)], line, self.service)
        return found

    def alert(self, name: str, since: float, within: float = 40.0, **labels: str) -> None:
        """Wait until an alert fires, and note how long it took since a moment of the monotonic clock."""

        def fires() -> bool:
            kept = self.stack.ask(lambda client: AlertStore(client).alerts()) or {}
            firing = [each.labels for each in kept.values() if each.state is State.FIRING]
            return any(each.items() >= ({"alertname": name} | labels).items() for each in firing)

        wait_until(fires, within=within, what=f"the alert {name}")
        self._alert = time.monotonic() - since

    def fault_over(self) -> None:
        """From here on it must come back: the clock runs until all that was accepted up to now is written."""
        self._fault_over = time.monotonic(), set(self._ids())

    def back(self, within: float = 60.0) -> None:
        """Wait until it is back, and note how long that took."""
        if self._fault_over is None:
            self.fault_over()
        assert self._fault_over
        since, missing = self._fault_over

        def all_there() -> bool:
            nonlocal missing
            missing -= self._arrived()
            if missing:
                time.sleep(LOOK_EVERY)
            return not missing

        wait_until(all_there, within=within, what="all that was accepted to be written again")
        self._back = max(self._back or 0.0, time.monotonic() - since)

    def writes_on(self, more: int = 500, within: float = 30.0) -> None:
        """Wait until so many more records are written."""
        before = self.written or 0
        wait_until(lambda: (self.written or 0) >= before + more, within=within, what=f"{more} more records")

    def problem(self, text: str) -> None:
        """Something that was not to be."""
        self.problems.append(text)

    # -- for the runner --------------------------------------------------------------------------------------------

    def finish(self) -> Findings:
        """End the applications, wait until all is written, and compare ledgers, files and account."""
        for application in self._applications:
            application.say("end")
        try:
            for application in self._applications:
                application.process.communicate(timeout=120)
            wait_until(lambda: not self._alive(), within=120, what="the children to end")
            wait_until(self._settled, within=SETTLED_WITHIN, what="all to be written")
        except FAILURES as error:  # the comparison says what is missing
            self.problem(str(error).partition("\n")[0])
        self._witness.stop()
        return self._verdict()

    def abandon(self) -> None:
        """Kill what a failed scenario left."""
        for application in self._applications:
            application.process.kill()
            application.process.wait()
            for stream in (application.process.stdin, application.process.stdout):
                _close(stream)
        self._witness.stop()

    def _at_most_accepted(self) -> int:
        """What the ledgers hold, and the one record that each thread may be about to note."""
        return self.accepted + len(list(self._ledger.glob("*.ids")))

    def _alive(self) -> list[psutil.Process]:
        pids = {int(path.name.partition(".")[0]) for path in self._ledger.glob("*.ids")}
        found = []
        for pid in pids:
            try:
                found.append(psutil.Process(pid))
            except psutil.NoSuchProcess:
                pass
        return living(found)

    def _settled(self) -> bool:
        found = self.stack.account()
        return bool(found and found.waiting == 0 and (self.written or 0) >= self.accepted)

    def _verdict(self) -> Findings:
        ids = self._ids()
        arrived, errors, torn = self._in_files()
        ledger = Counter(ids)
        results = [json.loads(path.read_text()) for path in self._ledger.glob("*.result")]
        surplus = len(arrived.keys() - ledger.keys())
        due_errors = {id_ for id_ in ledger if int(id_.rpartition(b".")[2]) % ERROR_EVERY == 0}
        findings = Findings(
            accepted=len(ids) + surplus,
            refused=sum(sum(result["dropped"].values()) for result in results),
            lost=len(ledger.keys() - arrived.keys()),
            duplicated=sum(number - 1 for number in (*arrived.values(), *errors.values())),
            slowest_ms=max((result["slowest"] for result in results), default=0.0) * 1000,
            slowest_own_ms=max((result["slowest_own"] for result in results), default=0.0) * 1000,
            back_s=self._back,
            alert_s=self._alert,
            problems=[*self.problems, *dict.fromkeys(self._witness.problems[:5])],
        )
        wrong = {
            f"{surplus} records arrived that no ledger knows": surplus > self.killed,
            f"{torn} torn lines": torn > 0,
            "errors.log holds others than app.log": not errors.keys() <= arrived.keys(),
            f"{len(due_errors - errors.keys())} errors are not in errors.log": not due_errors <= errors.keys(),
            f"raised into the application: {[r['raised'][:2] for r in results]}": any(r["raised"] for r in results),
            "an application's flush(written=True) gave up": not all(result["flushed"] for result in results),
            "nothing was accepted": not ids,
        }
        findings.problems += [text for text, holds in wrong.items() if holds]
        findings.problems += self._account_problems(len(arrived))
        return findings

    def _account_problems(self, arrived: int) -> list[str]:
        found = self.stack.account()
        if found is None:
            return ["Redis does not answer"]
        dropped = {reason: n - self._base.dropped.get(reason, 0) for reason, n in found.dropped.items()}
        written = found.written - self._base.written
        wrong = {
            f"the account says {written} are written, the files hold {arrived}; all services: {self._services()}": (
                written != arrived
            ),
            f"the account says {found.lost} are lost": found.lost != 0,
            f"the account says {found.waiting} are waiting": found.waiting != 0,
            f"the account says {dropped} were dropped": any(dropped.values()),
        }
        return [text for text, holds in wrong.items() if holds]

    def _ids(self) -> list[bytes]:
        """The ledgers: what was accepted."""
        return [line for path in self._ledger.glob("*.ids") for line in path.read_bytes().splitlines()]

    def _arrived(self) -> set[bytes]:
        """What is in the files by now: a quick look, for measuring only."""
        found: set[bytes] = set()
        for path in (self.stack.log_dir / self.service).glob("app*.log*"):
            try:
                found.update(*map(_ID.findall, _lines(path)))
            except (FileNotFoundError, EOFError):
                pass  # rotated or compressed as we look: the next look finds it
        return found

    def _services(self) -> list[str]:
        return sorted(path.name for path in self.stack.log_dir.iterdir())

    def _in_files(self) -> tuple[Counter[bytes], Counter[bytes], int]:
        torn = 0
        found: dict[str, Counter[bytes]] = {"app": Counter(), "errors": Counter()}
        for path in (self.stack.log_dir / self.service).glob("*.log*"):
            for line in _lines(path):
                try:
                    fields = orjson.loads(line)
                    found[re.split("[.-]", path.name)[0]][(fields.get("id") or fields["function"]).encode()] += 1
                except (orjson.JSONDecodeError, KeyError):
                    torn += 1
        return found["app"], found["errors"], torn


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    # A compression that was killed may leave a compressed file under its plain name, until the next one.
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).splitlines()


def _close(stream: IO[str] | None) -> None:
    if stream:
        try:
            stream.close()
        except BrokenPipeError:
            pass  # what was still to be said to a dead process
