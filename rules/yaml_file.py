"""YAML files as pydantic models: every mistake at once, each with its file, line and key."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from logging_core.config_file import Document, Location
from logging_core.config_file import load_mapping as load_mapping  # whoever validates by hand reads here too
from logging_core.config_file import read as read
from rules.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """One mapping of a configuration file; keys that it does not know are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def validated(document: Document, model: type[M]) -> M:
    """A document's data as `model`.

    Raises:
        ConfigError: listing everything that the model refuses.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise ConfigError([document.mistake(_location(each), _wording(each)) for each in details]) from error


def load_as(path: Path, model: type[M]) -> M:
    """The YAML file as `model`.

    Raises:
        ConfigError: whose text lists every mistake, one a line, as `FILE:LINE: key.path: what is wrong`.
    """
    return validated(read(path), model)


def _location(detail: ErrorDetails) -> Location:
    """Where it is; pydantic marks a mistake in a key itself by one more step."""
    return detail["loc"][:-1] if detail["loc"][-1:] == ("[key]",) else detail["loc"]


def _wording(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "missing"
        case _:
            return detail["msg"].removeprefix("Value error, ")
