"""Runbooks: which actions heal which type of error, read from YAML files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from recovery.actions import NAMES
from rules.errors import ConfigError
from rules.yaml_file import Section, load_as

LIBRARY = Path(__file__).parent / "library" / "runbooks.yml"


class Runbook(Section):
    """The actions for one type of error, in order; or `tell`: people are told, and nothing is done."""

    type: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")
    actions: tuple[str, ...] = ()
    tell: bool = False

    @field_validator("actions")
    @classmethod
    def _known(cls, actions: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [action for action in actions if action not in NAMES]:
            raise ValueError(f"no such action: {', '.join(unknown)}; there are {', '.join(NAMES)}")
        return actions

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.actions) == self.tell:
            raise ValueError("either actions or `tell: true` must be given")
        return self


class RunbookFile(Section):
    """What a runbook file holds."""

    runbooks: list[Runbook]

    @field_validator("runbooks")
    @classmethod
    def _one_for_each_type(cls, runbooks: list[Runbook]) -> list[Runbook]:
        types = [runbook.type for runbook in runbooks]
        if repeated := sorted({type_ for type_ in types if types.count(type_) > 1}):
            raise ValueError(f"more than one runbook for {', '.join(repeated)}")
        return runbooks


def load_runbooks(paths: Sequence[Path] = ()) -> Mapping[str, Runbook]:
    """Error type -> runbook: those that ship with Tocsin, and over them those of the files, the last file first.

    Raises:
        ConfigError: listing every mistake of every file.
    """
    runbooks: dict[str, Runbook] = {}
    mistakes: list[str] = []
    for path in (LIBRARY, *paths):
        try:
            runbooks |= {runbook.type: runbook for runbook in load_as(path, RunbookFile).runbooks}
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return runbooks
