"""`python -m tests.chaos`: every fault, one after the other, and a table; exit code 1 where one did not hold."""

import argparse
import json
import random
import sys
import time

from rich.console import Console

from tests.chaos import report
from tests.chaos.arena import Findings
from tests.chaos.scenario import Row, run_one, stage
from tests.chaos.scenarios import ALL

BOUND = 600.0  #: seconds for everything: what would begin later is left out, and said so


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the rows as JSON on stdout")
    parser.add_argument("--quick", action="store_true", help="short cuts, as in `make test`")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", default="", help="faults that contain this text")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, width=None if sys.stdout.isatty() else 150)
    console.print(f"seed {arguments.seed}")
    rows: list[Row] = []
    began = time.monotonic()
    with stage() as opened:
        for scenario in ALL:
            if arguments.only not in scenario.fault:
                continue
            if time.monotonic() - began > BOUND:
                rows.append(Row(scenario.fault, Findings(), None, 0.0, ["no time was left for it"]))
                continue
            row = run_one(scenario, opened, arguments.seed, quick=arguments.quick)
            console.print(f"{row.seconds:5.0f} s  {scenario.fault}: {report.HELD[row.held]} {'; '.join(row.why)}")
            rows.append(row)
    report.show(rows, console)
    if arguments.json:
        print(json.dumps([row.as_dict() for row in rows]))
    return any(row.held is False for row in rows)


if __name__ == "__main__":
    sys.exit(main())
