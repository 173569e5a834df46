"""Runbooks say what is done about each error type; what they cannot mean is refused."""

from pathlib import Path

import pytest

from recovery.actions import NAMES
from recovery.runbook import load_runbooks
from rules.errors import ConfigError
from rules.patterns import load_patterns


def test_every_shipped_error_type_has_a_runbook() -> None:
    assert set(load_runbooks()) == {each.type for each in load_patterns()}


def test_only_what_cleaning_can_heal_is_cleaned() -> None:
    cleaned = {type_ for type_, runbook in load_runbooks().items() if "clean_cache" in runbook.actions}
    assert cleaned == {"OutOfMemory", "DiskSpace"}


def test_every_known_action_heals_something() -> None:
    assert {action for runbook in load_runbooks().values() for action in runbook.actions} == set(NAMES)


def test_a_runbook_of_the_operator_replaces_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "runbooks.yml"
    path.write_text("runbooks: [{type: DiskSpace, tell: true}]\n")
    runbooks = load_runbooks([path])
    assert runbooks["DiskSpace"].actions == ()
    assert "clean_cache" in runbooks["OutOfMemory"].actions


@pytest.mark.parametrize(
    ("runbook", "mistake"),
    [
        (
            "{type: X, actions: [reboot]}",
            f"runbooks[0]: no such action: reboot; there are {', '.join(NAMES)}",
        ),
        ("{type: X}", "runbooks[0]: either actions or `tell: true` must be given"),
        ("{type: X, tell: true, actions: [clean_cache]}", "runbooks[0]: either actions or `tell: true` must be given"),
        ("{type: X, tell: true}, {type: X, tell: true}", "more than one runbook for X"),
        ("{type: X, tell: true, path: /}", "runbooks[0].path: unknown key"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, runbook: str, mistake: str) -> None:
    path = tmp_path / "runbooks.yml"
    path.write_text(f"runbooks: [{runbook}]\n")
    with pytest.raises(ConfigError) as error:
        load_runbooks([path])
    assert str(error.value) == f"{path}:1: {mistake}"
