"""A short cut of `make chaos`: each quick scenario for some seconds, on one stack where that can be."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario, Stage, run_one, stage
from tests.chaos.scenarios import ALL

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def opened() -> Iterator[Stage]:
    with stage() as opened:
        yield opened


@pytest.mark.parametrize("scenario", [each for each in ALL if each.quick], ids=lambda scenario: scenario.name)
def test_every_accepted_record_is_in_the_files_exactly_once(scenario: Scenario, opened: Stage) -> None:
    seed = int(os.environ.get("TOCSIN_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"seed: TOCSIN_TEST_SEED={seed}")
    row = run_one(scenario, opened, seed, quick=True)
    if row.held is None:
        pytest.skip(row.why[0])
    assert row.held, row.as_dict()


def tamper(arena: Arena) -> None:
    """What no scenario may overlook: a line lost, one twice, one torn."""
    arena.application(rate=500)
    arena.writes_on()
    arena.fault_over()
    arena.back()
    with (arena.stack.log_dir / arena.service / "app.log").open("r+b") as file:
        error, lost, repeated, torn, *_ = file.read().splitlines(keepends=True)
        assert len(lost) == len(repeated)
        file.seek(len(error))  # in place, so that the writer takes no notice
        file.write(repeated + repeated + b"{".ljust(len(torn) - 1) + b"\n")


def test_the_runner_sees_what_is_lost_repeated_or_torn(opened: Stage) -> None:
    row = run_one(Scenario("tampered files", tamper), opened, 0, quick=True)
    assert row.held is False
    assert (row.findings.lost, row.findings.duplicated) == (2, 1), row.as_dict()
    assert "1 torn lines" in row.why
