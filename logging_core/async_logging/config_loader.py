"""An application's own YAML file, any key of which an environment variable may replace: `V13__SECTION__KEY`.

Everything is read once, when the loader is made. Nothing is logged by it, and it keeps no names of sections: what a
section may hold is known to whoever asks for it.
"""

import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from logging_core import config_file
from logging_core.errors import ConfigError

DEFAULT_PATH = "config/system.yaml"
_SEPARATOR = "__"
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


class ConfigLoader:
    """The values of a YAML file, and of the variables that replace them.

    Args:
        path: the file; by default `config/system.yaml`, which need not be there.
        env_prefix: of the variables. `V13__WEBSOCKET__LOGGING__QUEUE_MAX` replaces `websocket.logging.queue_max`, in
            whatever case the file has these names.
        environ: the variables, by default those of this process.

    Raises:
        ConfigError: for a file that was named and is not there, that is not YAML, or whose keys repeat; for a variable
            that names no key, or a section, or whose text is not of the type that the file has.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        env_prefix: str = "V13",
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(DEFAULT_PATH if path is None else path)
        self._document: config_file.Document | None = None
        if path is not None or self.path.exists():
            self._document = config_file.read(self.path)
        self._data: dict[str, Any] = deepcopy(self._document.data) if self._document else {}
        self._variables: dict[config_file.Location, str] = {}
        self._untyped: set[config_file.Location] = set()  # replaced nothing, so nobody knows yet what they are
        self._replace(env_prefix, os.environ if environ is None else environ)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key, or the default where there is none (or null).

        What a variable alone has set is a text, unless the default is a number or a truth value: then it is one too.
        A section comes as a copy.

        Raises:
            ConfigError: a part of the key is no section; a variable's text is not of the default's type.
        """
        location: config_file.Location = tuple(key.split("."))
        found: Any = self._data
        for depth, step in enumerate(location):
            if not isinstance(found, dict):
                raise ConfigError([self.mistake(".".join(map(str, location[:depth])), "must be a section")])
            found = found.get(step)
            if found is None:
                return default
        if location in self._untyped:
            return self._typed(self._variables[location], found, default)
        return deepcopy(found)

    def mistake(self, key: str, message: str) -> str:
        """What is wrong with a key, and where it was set: `FILE:LINE: KEY: message`, or `VARIABLE: message`."""
        location: config_file.Location = tuple(key.split("."))
        if location in self._variables:
            return f"{self._variables[location]}: {message}"
        if self._document is None:
            return f"{key}: {message}"
        return self._document.mistake(location, message)

    def _replace(self, prefix: str, environ: Mapping[str, str]) -> None:
        mistakes: list[str] = []
        for name, text in sorted(environ.items()):
            if name.startswith(prefix + _SEPARATOR):
                try:
                    self._replace_one(name, name.split(_SEPARATOR)[len(prefix.split(_SEPARATOR)) :], text)
                except ConfigError as error:
                    mistakes += error.mistakes
        if mistakes:
            raise ConfigError(mistakes)

    def _replace_one(self, variable: str, parts: list[str], text: str) -> None:
        if not all(parts):
            raise ConfigError([f"{variable}: names no key: SECTION__KEY is what follows the prefix"])
        section, location = self._data, list[str]()
        for part in parts[:-1]:
            location.append(_spelled(section, part))
            if section.get(location[-1]) is None:
                section[location[-1]] = {}
            section = section[location[-1]]
            if not isinstance(section, dict):
                raise ConfigError([f"{variable}: {'.'.join(location)} is a value, not a section"])
        location.append(_spelled(section, parts[-1]))
        current = section.get(location[-1])
        if isinstance(current, (dict, list)):
            what = "section" if isinstance(current, dict) else "list"
            raise ConfigError([f"{variable}: {'.'.join(location)} is a {what}, not a value"])
        self._variables[tuple(location)] = variable
        if current is None:
            self._untyped.add(tuple(location))
        section[location[-1]] = self._typed(variable, text, current)

    @staticmethod
    def _typed(variable: str, text: str, like: Any) -> Any:
        """A variable's text, as what it replaces."""
        try:
            if isinstance(like, bool):
                return _truth(text)
            return type(like)(text) if isinstance(like, (int, float)) else text
        except ValueError:
            kind = {bool: "true or false", int: "a whole number"}.get(type(like), "a number")
            raise ConfigError([f"{variable}: must be {kind}, not {text[:40]!r}"]) from None


def _spelled(section: Mapping[str, Any], part: str) -> str:
    """The name as the section has it: variables are in capitals."""
    return next((name for name in section if str(name).lower() == part.lower()), part.lower())


def _truth(text: str) -> bool:
    if text.strip().lower() not in _TRUE | _FALSE:
        raise ValueError(text)
    return text.strip().lower() in _TRUE
