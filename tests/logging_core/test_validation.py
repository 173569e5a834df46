"""The schema of the realtime log's entries, and others in its place."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from logging_core.errors import ConfigError
from logging_core.realtime.validation import REALTIME, Validator


@pytest.mark.parametrize(
    "entry",
    [
        {"message": "m"},
        {"operation": "cut", "result": "success", "video_info": {"duration": 120.5}, "anything": [1, None]},
        {"message": "m", "timestamp": "2023-11-01T12:34:56", "level": "INFO"},
        {"message": "m", "timestamp": "2023-11-01 12:34:56.789+0800", "level": "warning"},
        {"message": "m", "timestamp": 1698842096.5},
        {"message": "m", "timestamp": datetime(2023, 11, 1, tzinfo=UTC), "error": KeyError("sku")},
        {"operation": "cut", "result": "error", "error": {"code": "KeyError", "message": "sku"}},
        {"operation": "cut", "error": "boom", "duration_ms": 0},
        {"operation": "cut", "level": 20, "result": True, "resource_usage": [1]},
        {"operation": "cut", "result": 7, "message": None},
        {"message": "m", "operation": None},
        dict.fromkeys(json.loads(REALTIME.read_text())["properties"]) | {"message": "m"},
    ],
)
def test_what_the_schema_allows(entry: dict[str, Any]) -> None:
    assert Validator().mistake(entry) is None


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({}, "entry "),
        ({"result": "success"}, "message"),
        ({"message": None, "operation": None}, "message"),
        ([], "entry must be object"),
        ({"message": 5}, "entry.message must be string"),
        ({"message": "m", "level": "LOUD"}, "entry.level"),
        ({"message": "m", "timestamp": "soon"}, "entry.timestamp"),
        ({"message": "m", "error": {}}, "entry.error"),
        ({"operation": ""}, "entry.operation"),
        ({"operation": "cut", "duration_ms": -1}, "entry.duration_ms"),
        ({"message": "m", "level": -1}, "entry.level"),
        ({"message": "m", "level": True}, "entry.level"),
        ({"message": "m", "result": ["a"]}, "entry.result"),
        ({"operation": "cut", "resource_usage": 5}, "entry.resource_usage must be object"),
    ],
)
def test_what_it_refuses_and_where(entry: Any, place: str) -> None:
    assert place in str(Validator().mistake(entry))


def test_a_mistake_does_not_repeat_what_was_logged() -> None:
    assert "hunter2" not in str(Validator().mistake({"message": ["hunter2"], "level": "hunter2"}))


@pytest.mark.parametrize("as_file", [True, False])
def test_another_schema_takes_its_place(tmp_path: Path, as_file: bool) -> None:
    schema: Any = {"type": "object", "required": ["sku"], "properties": {"left": {"type": "integer", "default": 3}}}
    if as_file:
        path = tmp_path / "schema.json"
        path.write_text(json.dumps(schema))
        schema = path
    entry = {"sku": "A-1"}
    assert Validator(schema).mistake(entry) is None
    assert entry == {"sku": "A-1"}
    assert Validator(schema).mistake({"message": "m"}) == "entry must contain ['sku'] properties (required: [\"sku\"])"


def test_a_schema_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.json: No such file or directory"):
        Validator(tmp_path / "missing.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError, match=r"broken\.json: no JSON Schema"):
        Validator(tmp_path / "broken.json")
    with pytest.raises(ConfigError, match="schema: no JSON Schema"):
        Validator({"type": "nothing known"})
    with pytest.raises(ConfigError, match=r"https://example\.com/schema is elsewhere"):
        Validator({"$ref": "https://example.com/schema"})


def test_the_published_schema_is_one(tmp_path: Path) -> None:
    assert json.loads(REALTIME.read_text())["title"]
