"""`tocsin patterns` as a writer of patterns meets it, with the page that tells of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import fastjsonschema
import orjson
import pytest

from logging_core.config_file import load_mapping
from rules.patterns import LIBRARY, load_patterns
from tests.documents import Page
from tests.tocsin.test_cli import tocsin

PAGE = Page("docs/patterns.md")
LOG = """\
2026-02-19 10:30:00 INFO bakery: oven 7: heated to 180 C
2026-02-19 10:30:30 INFO bakery: batch 41 is done
oven 7: too hot: 0
2026-02-19 10:31:00 ERROR bakery: oven 7: too hot, 399 C
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PAGE.write(tmp_path)
    (tmp_path / "bakery.log").write_text(LOG)
    return tmp_path


def test_what_the_page_shows_is_what_happens(folder: Path) -> None:
    (block,) = PAGE.blocks("console")
    for told in block.removeprefix("$ ").split("\n$ "):
        command, _, output = told.partition("\n")
        done = tocsin(*command.split()[1:], folder=folder)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, output.strip(), "")


def test_check_tells_every_mistake(folder: Path) -> None:
    text = (folder / "oven.yml").read_text()
    (folder / "oven.yml").write_text(
        text.replace("'OvenError: '", "'Oven[z-a]'").replace("'too hot: (?:0|none)'", "'too hot(?!,)'")
    )
    done = tocsin("patterns", "check", "oven.yml", folder=folder)
    assert (done.returncode, done.stdout) == (
        1,
        (
            "oven.yml:10: types[0].exclusions[0]: 'too hot(?!,)' looks around by '(?!', which Hyperscan cannot: "
            "write an exclusion instead\n"
        ),
    )
    (folder / "oven.yml").write_text(text.replace("'OvenError: '", "'Oven[z-a]'"))
    done = tocsin("patterns", "check", "oven.yml", "--json", folder=folder)
    (mistake,) = json.loads(done.stdout)["mistakes"]
    assert done.returncode == 1
    assert mistake.startswith("oven.yml:8: types[0].patterns[1]: 'Oven[z-a]' does not compile: ")


def test_check_tells_what_the_samples_disprove(folder: Path) -> None:
    (folder / "oven.yml").write_text("""\
types:
  - type: OvenTooHot
    severity: critical
    priority: 60
    patterns: [too hot, very hot, 'hot: ']
    exclusions: [not hot, 'hot: 0']
    samples:
      match:
        - it is warm
        - 'too hot: 0'
        - 'ENOSPC, too hot'
        - oven too hot
      other:
        - too hot for us
        - it is warm
""")
    done = tocsin("patterns", "check", "oven.yml", folder=folder)
    assert done.returncode == 1
    of_none = "is not of the type OvenTooHot: no pattern matches, or an exclusion does"
    claimed = "is claimed by DiskSpace (84) too, whose priority is not below that of OvenTooHot (60)"
    unseen = "matches in none of the type's samples: add one that shows it"
    assert done.stdout.splitlines() == [
        f"oven.yml:9: types[0].samples.match[0]: {of_none}",
        f"oven.yml:10: types[0].samples.match[1]: {of_none}",
        f"oven.yml:11: types[0].samples.match[2]: {claimed}",
        "oven.yml:14: types[0].samples.other[0]: is of the type OvenTooHot after all",
        f"oven.yml:5: types[0].patterns[1]: 'very hot' {unseen}",
        f"oven.yml:6: types[0].exclusions[0]: 'not hot' {unseen}",
    ]


def test_check_finds_a_shared_priority_and_a_type_that_ships(folder: Path) -> None:
    shutil.copy(folder / "oven.yml", folder / "again.yml")
    done = tocsin("patterns", "check", "oven.yml", "again.yml", folder=folder)
    assert done.stdout == "again.yml:3: types[0].type: OvenTooHot is already defined in oven.yml\n"
    (folder / "again.yml").write_text((folder / "oven.yml").read_text().replace("OvenTooHot", "TooHot"))
    done = tocsin("patterns", "check", "oven.yml", "again.yml", folder=folder)
    assert "oven.yml:13: types[0].samples.match[0]: is claimed by TooHot (300) too" in done.stdout


def test_try_prints_one_object(folder: Path) -> None:
    done = tocsin("patterns", "try", "oven.yml", "bakery.log", "--json", "--limit", "1", folder=folder)
    assert json.loads(done.stdout) == {
        "types": {"OvenTooHot": 1},
        "silenced": {"OvenTooHot": 1},
        "read": 4,
        "lines": [
            {
                "line": 3,
                "type": "OvenTooHot",
                "pattern": "oven [0-9]{1,3}: too hot",
                "exclusion": "too hot: (?:0|none)",
                "text": "oven 7: too hot: 0",
            }
        ],
    }


def test_try_reads_standard_input_of_any_bytes(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "tocsin", "patterns", "try", "oven.yml", "-"]
    text = b"x" * (3 << 20) + b"\n\x1b[31moven 7: too hot\xff\x00\r\nno end"
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"-:2: OvenTooHot by" in done.stdout
    assert b"\x1b" not in done.stdout
    assert b"1 of 3 lines" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("try", "oven.yml", "none.log"), 2, "none.log: No such file or directory\n"),
        (("try", "none.yml", "bakery.log"), 2, "none.yml: no such file\n"),
        (("try", "bad.yml", "bakery.log"), 2, "bad.yml:1: types: Expected `array`, got `int`\n"),
        (("try", "oven.yml", "empty.log"), 1, ""),
    ],
)
def test_what_cannot_be_tried_is_told(folder: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    (folder / "empty.log").write_text("")
    (folder / "bad.yml").write_text("types: 7\n")
    done = tocsin("patterns", *arguments, folder=folder)
    assert (done.returncode, done.stderr) == (code, told)


def test_check_without_a_file_is_bad_use(tmp_path: Path) -> None:
    assert tocsin("patterns", "check", folder=tmp_path).returncode == 2


def test_the_shipped_types_are_listed(tmp_path: Path) -> None:
    done = tocsin("patterns", "list", folder=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [each.type for each in load_patterns()]
    rows = json.loads(tocsin("patterns", "list", "--json", folder=tmp_path).stdout)["types"]
    assert rows[0]["type"] == "OutOfMemory"
    assert "clean_cache" in rows[0]["actions"]


def test_the_schema_is_published_as_it_is(tmp_path: Path) -> None:
    published = LIBRARY.parent / "patterns.schema.json"
    assert tocsin("patterns", "schema", folder=tmp_path).stdout.encode() == published.read_bytes()
    check = fastjsonschema.compile(orjson.loads(published.read_bytes()))
    for path in LIBRARY.glob("*.yml"):
        check(load_mapping(path))
    with pytest.raises(fastjsonschema.JsonSchemaException, match="severity"):
        check({"types": [{"type": "Leak", "severity": "dire", "priority": 1, "patterns": ["leak"], "samples": {}}]})
