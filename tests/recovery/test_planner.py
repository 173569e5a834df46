"""A plan is made of configured actions and targets; the text of a log has no say in it."""

import pytest

from recovery.model import Cause, Plan, Step
from recovery.planner import plan
from recovery.runbook import load_runbooks

RUNBOOKS = load_runbooks()


def cause(type_: str, file: str = "/var/log/app.log") -> Cause:
    return Cause(type=type_, source="shop", file=file, offset=17)


@pytest.mark.parametrize("type_", ["OutOfMemory", "DiskSpace"])
def test_every_configured_folder_is_cleaned(type_: str) -> None:
    why = cause(type_)
    assert plan(why, RUNBOOKS, {"clean_cache": ["thumbs", "tiles"]}) == Plan(
        why, (Step("clean_cache", "thumbs", why), Step("clean_cache", "tiles", why))
    )


@pytest.mark.parametrize("type_", ["Timeout", "PermissionDenied", "ConnectionError", "NeverHeardOf", "../DiskSpace"])
def test_what_no_action_heals_has_no_plan(type_: str) -> None:
    assert plan(cause(type_), RUNBOOKS, {"clean_cache": ["thumbs"]}) is None


def test_actions_that_cannot_be_taken_yet_make_no_steps() -> None:
    assert RUNBOOKS["OutOfMemory"].actions == ("reduce_quant", "clean_cache", "free_gpu_memory")
    made = plan(cause("OutOfMemory"), RUNBOOKS, {"clean_cache": ["thumbs"]})
    assert made is not None
    assert [step.action for step in made.steps] == ["clean_cache"]


def test_without_configured_folders_there_is_no_plan() -> None:
    assert plan(cause("DiskSpace"), RUNBOOKS, {}) is None


def test_the_place_of_an_error_never_becomes_a_target() -> None:
    made = plan(cause("DiskSpace", file="/etc/../clean_cache:/etc"), RUNBOOKS, {"clean_cache": ["thumbs"]})
    assert made is not None
    assert {step.id for step in made.steps} == {"clean_cache:thumbs"}
