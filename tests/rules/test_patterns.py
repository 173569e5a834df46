"""The shipped patterns hold what their samples promise, and files with mistakes are refused."""

from pathlib import Path

import pytest

from rules.errors import ConfigError
from rules.patterns import LIBRARY, ErrorType, live_type, load_patterns
from rules.patterns.check import check
from rules.scanner import Scanner

TYPES = load_patterns()
BY_NAME = {each.type: each for each in TYPES}
SCANNER = Scanner(TYPES)
LOOK_ALIKES = (Path(__file__).parent / "look_alikes.txt").read_text().splitlines()

VALID = """
types:
  - type: Leak
    severity: warning
    priority: 1
    patterns: ['{pattern}']
    samples: {{match: [leak], other: [leek]}}
"""
LEAK = VALID.format(pattern="leak")


def types_of(text: str) -> list[str]:
    """The types of the events in a text."""
    return [event.type for event in SCANNER.events(f"{text}\n".encode())]


@pytest.mark.parametrize(("type_", "text"), [(each.type, text) for each in TYPES for text in each.samples.match])
def test_a_matching_sample_is_an_error_of_its_type(type_: str, text: str) -> None:
    assert types_of(text) == [type_]


@pytest.mark.parametrize(("type_", "text"), [(each.type, text) for each in TYPES for text in each.samples.other])
def test_a_look_alike_is_no_error_of_the_type(type_: str, text: str) -> None:
    assert type_ not in types_of(text)


@pytest.mark.parametrize("line", LOOK_ALIKES)
def test_no_type_claims_a_line_that_tells_of_no_failure(line: str) -> None:
    assert types_of(line) == []


def test_no_priority_is_shared() -> None:
    assert len({each.priority for each in TYPES}) == len(TYPES)


def test_the_library_has_the_twenty_types() -> None:
    assert {path.stem: [each.type for each in load_patterns([path])] for path in LIBRARY.glob("*.yml")} == {
        "hardware": ["OutOfMemory", "DiskSpace", "GPUError", "IOError"],
        "software": ["MemoryLeak", "Deadlock", "Timeout", "ProcessCrash"],
        "data": ["ModelCorruption", "DataCorruption", "ConfigError"],
        "network": ["DNSError", "NetworkTimeout", "ConnectionError"],
        "other": ["MissingDependency", "ImportError", "PermissionDenied", "SyntaxError", "KeyError", "ValueError"],
    }


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.type)
def test_a_shipped_type_has_ten_matching_samples_and_five_look_alikes(each: ErrorType) -> None:
    assert len(set(each.samples.match)) >= 10
    assert len(set(each.samples.other)) >= 5


def test_the_library_has_no_mistakes() -> None:
    assert check(sorted(LIBRARY.glob("*.yml"))) == []


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        (
            "2025-05-17 10:05:00 - app - ERROR - Out of memory error occurred\nMemoryError: CUDA out of memory",
            "OutOfMemory",
        ),
        ("2025-05-17 10:10:00 - loader - ERROR - Model file corrupt: base.pt checksum mismatch", "ModelCorruption"),
        ("requests.exceptions.ConnectionError: [Errno -2] Name or service not known", "DNSError"),
        ("ImportError: No module named yaml", "MissingDependency"),
        ("ImportError: cannot import name 'a' from 'b'", "ImportError"),
        ("TimeoutError: [Errno 110] Connection timed out", "NetworkTimeout"),
        ("asyncio.exceptions.TimeoutError", "Timeout"),
        ("OSError: [Errno 28] No space left on device", "DiskSpace"),
        ("ValueError: attempted relative import beyond top-level package", "ImportError"),
    ],
)
def test_the_most_specific_cause_wins(text: str, type_: str) -> None:
    assert types_of(text) == [type_]


@pytest.mark.parametrize("key", ["patterns", "exclusions"])
def test_a_pattern_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path, key: str) -> None:
    path = tmp_path / "leak.yml"
    path.write_text(VALID.format(pattern="leak") + f"    {key}: ['leak', 'leak.*']\n".replace("patterns", "exclusions"))
    with pytest.raises(ConfigError) as error:
        load_patterns([path])
    assert str(error.value) == (
        f"{path}:8: types[0].exclusions[1]: 'leak.*' ends in the repetition '.*', and every end of it would be "
        "reported: leave '.*' out"
    )


def test_every_mistake_of_every_file_is_told(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text(VALID.format(pattern="leak+").replace("warning", "dire"))
    two.write_text(VALID.format(pattern="leak+").replace("match:", "matches:"))
    with pytest.raises(ConfigError) as error:
        load_patterns([one, two, tmp_path / "none.yml"])
    assert sorted(error.value.mistakes) == [
        f"{tmp_path}/none.yml: no such file",
        f"{one}:4: types[0].severity: Invalid enum value 'dire'",
        f"{two}:7: types[0].samples.match: missing",
        f"{two}:7: types[0].samples.matches: unknown key",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("types: [{type: Leak, severity: warning, priority: 1, patterns: [leak]}]", "types[0].samples: missing"),
        ("types: []", "types: Expected `array` of length >= 1"),
        ("{}", "types: missing"),
        (
            VALID.format(pattern="leak").replace("priority: 1", "priority: 1001"),
            "types[0].priority: Expected `int` <= 1000",
        ),
        (
            VALID.format(pattern="leak").replace("[leek]", "[]"),
            "types[0].samples.other: Expected `array` of length >= 1",
        ),
        (VALID.format(pattern="leak").replace("[leek]", "[7]"), "types[0].samples.other[0]: Expected `str`, got `int`"),
        (
            VALID.format(pattern="leak").replace("Leak", "leak"),
            "types[0].type: Expected `str` matching regex '^[A-Z][A-Za-z0-9]{0,63}$'",
        ),
    ],
)
def test_what_a_file_must_have(tmp_path: Path, text: str, mistake: str) -> None:
    path = tmp_path / "leak.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_patterns([path])
    assert str(error.value).partition(" ")[2] == mistake


def test_a_type_defined_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "again.yml"
    path.write_text(VALID.format(pattern="leak").replace("Leak", "Timeout"))
    with pytest.raises(ConfigError) as error:
        load_patterns([LIBRARY / "software.yml", path])
    assert str(error.value) == f"{path}:3: types[0].type: Timeout is already defined in {LIBRARY / 'software.yml'}"


def test_a_type_can_be_added_while_a_program_runs() -> None:
    added = live_type("Leak", ["drip", "drop"])
    assert (added.type, added.severity, added.patterns, added.samples.match) == ("Leak", "error", ("drip", "drop"), ())


def test_a_live_type_names_every_pattern_that_cannot_be_used() -> None:
    with pytest.raises(ConfigError) as error:
        live_type("Leak", ["drip", "drop.*", "[z-a]"])
    assert error.value.mistakes[0].startswith("Leak: 'drop.*' ends in the repetition '.*'")
    assert error.value.mistakes[1].startswith("Leak: '[z-a]' does not compile: ")
