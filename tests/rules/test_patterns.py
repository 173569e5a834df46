"""The shipped patterns hold what their samples promise, and files with mistakes are refused."""

import hyperscan
import pytest

from rules.errors import ConfigError
from rules.patterns import FLAGS, LIBRARY, load_patterns
from rules.scanner import Scanner

TYPES = load_patterns()
SCANNER = Scanner(TYPES)
LINES = [line for each in TYPES for line in (*each.samples.match, *each.samples.other)]

VALID = """
types:
  - type: Leak
    severity: warning
    priority: 1
    patterns: ['{pattern}']
    samples: {{match: [leak], other: [leek]}}
"""


def types_of(line: str) -> list[str]:
    return [event.type for event in SCANNER.events(f"{line}\n".encode())]


@pytest.mark.parametrize(("type_", "line"), [(each.type, line) for each in TYPES for line in each.samples.match])
def test_a_matching_sample_is_an_error_of_its_type(type_: str, line: str) -> None:
    assert types_of(line) == [type_]


@pytest.mark.parametrize("line", [line for each in TYPES for line in each.samples.other])
def test_a_look_alike_is_no_error(line: str) -> None:
    assert types_of(line) == []


@pytest.mark.parametrize("pattern", [pattern for each in TYPES for pattern in (*each.patterns, *each.exclusions)])
def test_every_pattern_and_exclusion_has_a_sample(pattern: str) -> None:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[pattern.encode()], ids=[0], elements=1, flags=[FLAGS])
    found: list[int] = []
    for line in LINES:
        database.scan(line.encode(), match_event_handler=lambda *match: found.append(match[0]))
    assert found


def test_the_library_has_the_first_five_types_by_priority() -> None:
    expected = ["OutOfMemory", "DiskSpace", "PermissionDenied", "Timeout", "ConnectionError"]
    assert [each.type for each in TYPES] == expected


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.type)
def test_a_shipped_type_has_ten_matching_lines_and_five_look_alikes(each) -> None:
    assert len(set(each.samples.match)) >= 10
    assert len(set(each.samples.other)) >= 5


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("leak.*", "'leak.*' ends in a repetition, and every end of it would be reported: fix its tail"),
        ("leaks?", "'leaks?' ends in a repetition, and every end of it would be reported: fix its tail"),
        (
            "(leak[0-9]{1,3})",
            "'(leak[0-9]{1,3})' ends in a repetition, and every end of it would be reported: fix its tail",
        ),
        ("leak)", "'leak)' does not compile: Unmatched parentheses at index 4."),
        ("(?<!no )leak", "'(?<!no )leak' does not compile: Zero-width assertions are not supported."),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_its_line(tmp_path, pattern: str, reason: str) -> None:
    path = tmp_path / "leak.yml"
    path.write_text(VALID.format(pattern=pattern))
    with pytest.raises(ConfigError) as error:
        load_patterns([path])
    assert str(error.value) == f"{path}:6: types[0].patterns[0]: {reason}"


@pytest.mark.parametrize("pattern", ["leak", r"leak\+", "leak[0-9]{3}", r"leak[0-9]{1,3}\b"])
def test_a_pattern_with_a_fixed_tail_is_taken(tmp_path, pattern: str) -> None:
    path = tmp_path / "leak.yml"
    path.write_text(VALID.format(pattern=pattern))
    assert load_patterns([path])[0].patterns == [pattern]


def test_a_type_without_samples_is_refused(tmp_path) -> None:
    path = tmp_path / "leak.yml"
    path.write_text("types: [{type: Leak, severity: warning, priority: 1, patterns: [leak]}]\n")
    with pytest.raises(ConfigError) as error:
        load_patterns([path])
    assert str(error.value) == f"{path}:1: types[0].samples: missing"


def test_a_type_defined_twice_is_refused(tmp_path) -> None:
    path = tmp_path / "again.yml"
    path.write_text(VALID.format(pattern="leak").replace("Leak", "Timeout"))
    with pytest.raises(ConfigError) as error:
        load_patterns([LIBRARY / "network.yml", path])
    assert str(error.value) == f"{path}: types: Timeout is already defined in {LIBRARY / 'network.yml'}"
