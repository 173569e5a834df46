"""`python -m tests.chaos`: every fault, and a table of what was found; exit code 1 where one did not hold.

They run in two tracks, on a stack each.
"""

import argparse
import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rich.console import Console

from tests.chaos import report
from tests.chaos.arena import Findings
from tests.chaos.scenario import Row, Scenario, run_one, stage
from tests.chaos.scenarios import ALL

BOUND = 540.0  #: seconds: what would begin later is left out, said so, and counts as not held


@dataclass
class Run:
    """One run of the runner."""

    console: Console
    seed: int
    quick: bool
    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)  #: by whoever runs it

    def track(self, scenarios: list[Scenario]) -> list[Row]:
        """Run scenarios one after the other."""
        rows = []
        with stage() as opened:
            for scenario in scenarios:
                if self.ended.is_set():
                    break
                if time.monotonic() - self.began > BOUND:
                    rows.append(Row(scenario.fault, Findings(), False, 0.0, ["no time was left for it"]))
                    continue
                row = run_one(scenario, opened, self.seed, quick=self.quick)
                held = report.HELD[row.held]
                self.console.print(f"{row.seconds:5.0f} s  {scenario.fault}: {held} {'; '.join(row.why)}")
                rows.append(row)
        return rows


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the rows as JSON on stdout")
    parser.add_argument("--quick", action="store_true", help="short cuts, as in `make test`")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", default="", help="faults that contain this text")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, width=None if sys.stdout.isatty() else 190)
    console.print(f"seed {arguments.seed}")
    run = Run(console, arguments.seed, arguments.quick)
    wanted = [scenario for scenario in ALL if arguments.only in scenario.fault]
    tracks = [[each for each in wanted if each.beside], [each for each in wanted if not each.beside]]
    with ThreadPoolExecutor(len(tracks)) as pool:
        try:
            rows = [row for part in pool.map(run.track, filter(None, tracks)) for row in part]
        finally:
            run.ended.set()
    report.show(rows, console)
    console.print(f"{len(rows)} faults in {time.monotonic() - run.began:.0f} s")
    if arguments.json:
        print(json.dumps([row.as_dict() for row in rows]))
    return any(row.held is False for row in rows)


if __name__ == "__main__":
    sys.exit(main())
