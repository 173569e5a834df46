"""YAML files as msgspec structs: every mistake at once, each with its file, line and key.

As `rules.yaml_file` does with pydantic, for what must be read before a command can begin: msgspec is imported and its
structs are made in a tenth of the time.
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from logging_core.config_file import Document, Location
from rules.errors import ConfigError

S = TypeVar("S", bound=msgspec.Struct)


def validated(document: Document, model: type[S]) -> S:
    """A document's data as `model`.

    Raises:
        ConfigError: listing everything that the model refuses.
    """
    try:
        return msgspec.convert(document.data, model)
    except msgspec.ValidationError as error:
        # The first mistake is all that msgspec tells, so the parts are tried one by one.
        found = [document.mistake(place, text) for place, text in _mistakes(document.data, model, ())]
        raise ConfigError(found) from error


def _mistakes(value: Any, wanted: Any, place: Location) -> Iterator[tuple[Location, str]]:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        inside = list(_mistakes_inside(value, wanted, place))
        yield from inside or [(place, str(error))]


def _mistakes_inside(value: Any, wanted: Any, place: Location) -> Iterator[tuple[Location, str]]:
    if get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    if get_origin(wanted) is tuple and isinstance(value, list):
        for index, each in enumerate(value):
            yield from _mistakes(each, get_args(wanted)[0], (*place, index))
    elif isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) and isinstance(value, dict):
        fields = {field.name: field for field in msgspec.structs.fields(wanted)}
        for key in value.keys() - fields.keys():
            yield (*place, key), "unknown key"
        for name, field in fields.items():
            if name in value:
                yield from _mistakes(value[name], field.type, (*place, name))
            elif field.required:
                yield (*place, name), "missing"
