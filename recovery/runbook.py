"""Runbooks: which actions heal which type of error, read from YAML files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from logging_core.config_file import read
from recovery.actions import NAMES
from rules.errors import ConfigError
from rules.struct_file import validated

LIBRARY = Path(__file__).parent / "library" / "runbooks.yml"


class Runbook(Struct, frozen=True, forbid_unknown_fields=True):
    """The actions for one type of error, in order; or `tell`: people are told, and nothing is done."""

    type: Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")]
    actions: tuple[str, ...] = ()
    tell: bool = False

    def __post_init__(self) -> None:
        if unknown := [action for action in self.actions if action not in NAMES]:
            raise ValueError(f"no such action: {', '.join(unknown)}; there are {', '.join(NAMES)}")
        if bool(self.actions) == self.tell:
            raise ValueError("either actions or `tell: true` must be given")


class RunbookFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a runbook file holds."""

    runbooks: tuple[Runbook, ...]

    def __post_init__(self) -> None:
        types = [runbook.type for runbook in self.runbooks]
        if repeated := sorted({type_ for type_ in types if types.count(type_) > 1}):
            raise ValueError(f"more than one runbook for {', '.join(repeated)}")


def load_runbooks(paths: Sequence[Path] = ()) -> Mapping[str, Runbook]:
    """Error type -> runbook: those that ship with Tocsin, and over them those of the files, the last file first.

    Raises:
        ConfigError: listing every mistake of every file.
    """
    runbooks: dict[str, Runbook] = {}
    mistakes: list[str] = []
    for path in (LIBRARY, *paths):
        try:
            runbooks |= {runbook.type: runbook for runbook in validated(read(path), RunbookFile).runbooks}
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return runbooks
