"""Texts of rules: `{{ $labels.x }}` and `{{ $value }}`, as Prometheus' templates render them."""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache

from rules.errors import TemplateError
from rules.matcher import Labels

Part = Callable[[Labels, float], str]

_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_LABEL = re.compile(r"\$labels\.([A-Za-z_][A-Za-z0-9_]*)")
_VALUE = re.compile(r"\$value(?:\s*\|\s*(\w+))?")


def check_template(text: str) -> str:
    """The same text.

    Raises:
        TemplateError: it holds an action that is not rendered, which the message names.
    """
    _parts(text)
    return text


def render(text: str, labels: Labels, value: float) -> str:
    """The text with its actions replaced; a label that is missing is empty."""
    return "".join(part(labels, value) for part in _parts(text))


@lru_cache(maxsize=4096)
def _parts(text: str) -> Sequence[Part]:
    parts: list[Part] = []
    for index, piece in enumerate(_ACTION.split(text)):  # text and actions take turns
        parts.append(_action(piece.strip()) if index % 2 else _literal(piece))
    return parts


def _literal(text: str) -> Part:
    return lambda _labels, _value: text


def _action(expression: str) -> Part:
    if match := _LABEL.fullmatch(expression):
        name = match[1]
        return lambda labels, _value: labels.get(name, "")
    match = _VALUE.fullmatch(expression)
    if match and (match[1] or "") in _FORMATS:
        written = _FORMATS[match[1] or ""]
        return lambda _labels, value: written(value)
    raise TemplateError(f"{{{{ {expression} }}}} is not supported yet")


def _plain(value: float) -> str:
    """As Go prints a float64: the shortest digits that tell it apart, with an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return _not_finite(value)
    digits = Decimal(repr(value)).normalize()
    if -4 <= digits.adjusted() < 6:
        return f"{digits:f}"
    return f"{value:.{len(digits.as_tuple().digits) - 1}e}"


def _humanized(value: float) -> str:
    """Four significant digits with a metric prefix (`humanize` in Prometheus' template/template.go)."""
    if not math.isfinite(value):
        return _not_finite(value)
    if value == 0:
        return "0"
    prefixes, step = ("kMGTPEZY", 1000.0) if abs(value) >= 1 else ("munpfazy", 0.001)
    prefix = ""
    for candidate in prefixes:
        if (abs(value) < 1000) if step > 1 else (abs(value) >= 1):
            break
        prefix, value = candidate, value / step
    return f"{value:.4g}{prefix}"


def _percentage(value: float) -> str:
    return f"{_not_finite(value)}%" if not math.isfinite(value) else f"{value * 100:.4g}%"


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"


_FORMATS: dict[str, Callable[[float], str]] = {"": _plain, "humanize": _humanized, "humanizePercentage": _percentage}
