"""Whether an entry is what a JSON Schema says. fastjsonschema is imported when the first validator is made."""

import json
import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from logging_core.errors import ConfigError

#: The schema of entries of the realtime log.
REALTIME = Path(__file__).with_name("schemas") / "realtime.json"

Schema = Mapping[str, Any] | str | os.PathLike[str]  #: a JSON Schema (draft 4, 6 or 7), or the path of its file


class Validator:
    """Checks entries against one schema.

    An entry is checked as it is logged, so two of its values are shown to the schema as JSON would have them: a
    timestamp that is a `datetime` as a text, an error that is an exception as `{code, message}`.

    Raises:
        ConfigError: the schema cannot be read, or is none.
    """

    def __init__(self, schema: Schema = REALTIME) -> None:
        self._check = _compiled(schema)
        from fastjsonschema import JsonSchemaValueException

        self._invalid = JsonSchemaValueException

    def mistake(self, entry: Any) -> str | None:
        """What is wrong with an entry; None: nothing. Values are not repeated in it."""
        try:
            self._check(_as_json(entry))
        except self._invalid as error:
            demanded = f" ({error.rule}: {json.dumps(error.rule_definition, default=str)})" if error.rule else ""
            return str(error.message).replace("data", "entry", 1) + demanded
        return None


def _compiled(schema: Schema) -> Callable[[Any], Any]:
    import fastjsonschema

    name = "schema"
    try:
        if not isinstance(schema, Mapping):
            name = os.fspath(schema)
            schema = json.loads(Path(name).read_bytes())
        definition: Any = schema
        check: Callable[[Any], Any] = fastjsonschema.compile(definition, handlers=_NO_NETWORK, use_default=False)
    except OSError as error:
        raise ConfigError([f"{name}: {error.strerror}"]) from error
    except (ValueError, TypeError, AttributeError, fastjsonschema.JsonSchemaException) as error:
        raise ConfigError([f"{name}: no JSON Schema: {error}"]) from error
    return check


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is elsewhere")


_NO_NETWORK = {"http": _refuse, "https": _refuse, "ftp": _refuse, "file": _refuse}


def _as_json(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    timestamp, error = entry.get("timestamp"), entry.get("error")
    if isinstance(timestamp, date):
        entry = entry | {"timestamp": timestamp.isoformat()}
    if isinstance(error, BaseException):
        entry = entry | {"error": {"code": type(error).__name__, "message": ""}}
    return entry
