"""Which route an ASGI request took, as a template: `/orders/{order_id}`, never the path itself.

Starlette and FastAPI leave in the scope only the innermost route's own template, without the prefixes of the routers
and mounts around it. These are read off the path, with what are values of parameters put back under their names. What
cannot be read so is left out: a template names a series, and clients must not be able to make new ones.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from inspect import isclass, isroutine
from typing import Any

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def template_of(scope: Mapping[str, Any]) -> str | None:
    """The template of the route in a scope that the application has been called with; None if none matched."""
    if "endpoint" not in scope:
        return None
    values = {name: str(value) for name, value in (scope.get("path_params") or {}).items()}
    mounted = "app_root_path" in scope
    outside = scope["app_root_path"] if mounted else scope.get("root_path", "")
    path = scope["path"].removeprefix(outside)
    route = scope.get("route")
    own = None if hasattr(route, "routes") else getattr(route, "path", None)
    if own is not None:
        return _prefixed(own, path, values)
    if mounted:  # and within it nothing that we know of: files, or an application of another kind
        return _named(scope["root_path"].removeprefix(outside), values) or "/"
    endpoint = scope["endpoint"]
    return _named(path, values) if isroutine(endpoint) or isclass(endpoint) else None


def _prefixed(own: str, path: str, values: Mapping[str, str]) -> str:
    """The route's own template, behind what came before it in the path."""
    own, names = _plain(own)
    filled = _PARAMETER.sub(lambda match: values.get(match[1], ""), own)
    if not path.endswith(filled):
        return own  # values that were converted, such as 007 to 7
    before = {name: value for name, value in values.items() if name not in names}
    prefix = _named(path[: len(path) - len(filled)], before)
    return own if prefix is None else prefix + own


@lru_cache(maxsize=1024)
def _plain(template: str) -> tuple[str, frozenset[str]]:
    """A template without its convertors, and the names of its parameters."""
    return _PARAMETER.sub(r"{\1}", template), frozenset(match[1] for match in _PARAMETER.finditer(template))


def _named(path: str, values: Mapping[str, str]) -> str | None:
    """The path with these values under their names; None if not all of them are in it as whole segments."""
    for name, value in reversed(list(values.items())):
        start, found, end = f"{path}/".rpartition(f"/{value}/")
        if not found or not value:
            return None
        path = f"{start}/{{{name}}}/{end}".removesuffix("/")
    return path
