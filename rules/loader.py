"""Prometheus rule files -> rules. Every mistake in every file is found at once."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from rules import yaml_file
from rules.duration import duration_text, parse_duration
from rules.errors import ConfigError
from rules.model import AlertRule, RuleGroup
from rules.promql.query import Query, compile_query
from rules.series import HISTORY
from rules.template import check_template
from rules.yaml_file import Section

SHIPPED = Path(__file__).parent / "library" / "alerts"
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"__name__", "alertname"})


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError("must be text")
    return str(value)


def _duration(value: Any) -> float:
    return parse_duration(_text(value))


def _query(value: Any) -> Query:
    query = compile_query(_text(value))
    if query.reach > HISTORY:
        kept = duration_text(HISTORY)
        raise ValueError(f"looks back {duration_text(query.reach)}; only the last {kept} of each series is kept")
    return query


def _not_yet(_value: Any) -> None:
    raise ValueError("not supported yet")


def _annotation_name(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name):
        raise ValueError("not a valid name")
    return name


def _label_name(name: str) -> str:
    if name in _RESERVED:
        raise ValueError("a rule may not set this label")
    return _annotation_name(name)


Duration = Annotated[float, BeforeValidator(_duration)]
NotYet = Annotated[None, BeforeValidator(_not_yet)]
Template = Annotated[str, AfterValidator(check_template)]


class _Section(Section):
    """YAML knows numbers where Prometheus' files mean text."""

    model_config = ConfigDict(coerce_numbers_to_str=True, arbitrary_types_allowed=True)


class _RuleSection(_Section):
    alert: str = Field(min_length=1)
    expr: Annotated[Query, BeforeValidator(_query)]
    hold: Duration = Field(default=0.0, alias="for")
    labels: dict[Annotated[str, AfterValidator(_label_name)], Template] = Field(default_factory=dict)
    annotations: dict[Annotated[str, AfterValidator(_annotation_name)], Template] = Field(default_factory=dict)
    record: NotYet = None
    keep_firing_for: NotYet = None


class _GroupSection(_Section):
    name: str = Field(min_length=1)
    interval: Duration = 0.0
    rules: list[_RuleSection] = Field(default_factory=list)
    limit: NotYet = None
    query_offset: NotYet = None
    labels: NotYet = None


class _FileSection(_Section):
    groups: list[_GroupSection] = Field(default_factory=list)


def load_rules(paths: Sequence[Path] = ()) -> tuple[RuleGroup, ...]:
    """The rule groups of these files; of no files, those that ship with Tocsin.

    Raises:
        ConfigError: listing every mistake of every file.
    """
    groups: list[RuleGroup] = []
    mistakes: list[str] = []
    for path in paths or sorted(SHIPPED.glob("*.yml")):
        try:
            groups += _load(path)
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(groups)


def _load(path: Path) -> list[RuleGroup]:
    document = yaml_file.read(path)
    sections = yaml_file.validated(document, _FileSection).groups
    names = [section.name for section in sections]
    repeated = [index for index, name in enumerate(names) if name in names[:index]]
    if repeated:
        places = [("groups", index, "name") for index in repeated]
        raise ConfigError([document.mistake(place, "group name repeated in this file") for place in places])
    return [_group(path, section) for section in sections]


def _group(path: Path, section: _GroupSection) -> RuleGroup:
    return RuleGroup(section.name, path, section.interval, tuple(_rule(each) for each in section.rules))


def _rule(section: _RuleSection) -> AlertRule:
    return AlertRule(section.alert, section.expr, section.hold, section.labels, section.annotations)
