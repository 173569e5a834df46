"""YAML files read for people: every mistake with its file, line and key. PyYAML is imported when a file is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logging_core.errors import ConfigError

if TYPE_CHECKING:
    import yaml

LARGEST = 16 << 20  #: bytes of a file
Location = tuple[str | int, ...]  #: keys and list indices, from the top of the document


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file, read, with the nodes that know the lines."""

    path: Path
    data: dict[str, Any]
    root: "yaml.Node | None"

    def line(self, location: Location) -> int:
        """The line of the deepest key of `location` that the file has, counted from 1."""
        node, line = self.root, 1
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            place, node = found
            line = place.start_mark.line + 1
        return line

    def mistake(self, location: Location, message: str) -> str:
        """`FILE:LINE: key.path: message`."""
        key = f"{dotted(location)}: " if location else ""
        return f"{self.path}:{self.line(location)}: {key}{message}"


def read(path: Path) -> Document:
    """The mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        ConfigError: for a file that cannot be read, that is not YAML, or whose keys repeat.
    """
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:  # as a device is, which has no end
            raise ConfigError([f"{path}: larger than {LARGEST:,} bytes, so no configuration"])
        loader = _loader(text)
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: no such file"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_mistake(path, error)]) from error
    try:
        root = loader.get_single_node()
        if repeated := [f"{path}:{line}: {dotted(place)}: key repeated" for place, line in _repeated_keys(root)]:
            raise ConfigError(repeated)
        data = {} if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise ConfigError([_syntax_mistake(path, error)]) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise ConfigError([f"{path}:1: must be a mapping"])
    return Document(path, data, root)


def _loader(text: bytes) -> "yaml.SafeLoader | yaml.CSafeLoader":
    """libyaml's loader, ten times as fast, where PyYAML was built with it."""
    import yaml

    return (yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)(text)


def load_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, not validated; raises ConfigError as `read` does."""
    return read(path).data


def _child(node: "yaml.Node | None", step: str | int) -> "tuple[yaml.Node, yaml.Node] | None":
    """The node whose line names the step, and the node to go on from."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _repeated_keys(root: "yaml.Node | None") -> Iterator[tuple[Location, int]]:
    import yaml

    seen: set[int] = set()  # an alias is the same node again, perhaps inside itself
    waiting: list[tuple[Location, yaml.Node]] = [((), root)] if root else []
    while waiting:
        location, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [((*location, index), item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                place = (*location, str(key.value))
                if (key.tag, str(key.value)) in keys:
                    yield place, key.start_mark.line + 1
                keys.add((key.tag, str(key.value)))
                waiting.append((place, value))


def dotted(location: Location) -> str:
    """`key.path[2]`, as people write it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix(".")


def _syntax_mistake(path: Path, error: "yaml.YAMLError | ValueError") -> str:
    import yaml

    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{path}:{error.problem_mark.line + 1}: {error.problem or error.context}"
    return f"{path}: {' '.join(str(error).split())}"
