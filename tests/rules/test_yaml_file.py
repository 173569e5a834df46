from pathlib import Path

import pytest
from pydantic import field_validator

from rules.errors import ConfigError
from rules.yaml_file import Section, load_as, load_mapping


class Inner(Section):
    size: int
    name: str = ""

    @field_validator("name")
    @classmethod
    def _lower(cls, name: str) -> str:
        if name != name.lower():
            raise ValueError("must be lower case")
        return name


class Outer(Section):
    inner: Inner
    rest: tuple[Inner, ...] = ()


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            "inner:\n  size: much\n",
            ["2: inner.size: Input should be a valid integer, unable to parse string as an integer"],
        ),
        ("inner:\n  size: 1\n  sise: 2\n", ["3: inner.sise: unknown key"]),
        ("# nothing\n", ["1: inner: missing"]),
        ("\ninner: {size: 1, name: A}\n", ["2: inner.name: must be lower case"]),
        (
            "inner:\n  name: A\nrest:\n- size: 1\n- size: 2\n  x: 3\n",
            ["1: inner.size: missing", "2: inner.name: must be lower case", "6: rest[1].x: unknown key"],
        ),
        (
            "inner:\n  size: 1\n  size: 2\nrest: []\nrest: []\n",
            ["5: rest: key repeated", "3: inner.size: key repeated"],
        ),
        ("inner: [\n", ["2: did not find expected node content"]),
        ("- 1\n", ["1: must be a mapping"]),
        ("a: 1\n---\nb: 2\n", ["2: but found another document"]),
    ],
)
def test_every_mistake_is_named_with_its_line_and_key(tmp_path: Path, text: str, mistakes: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load_as(path, Outer)
    assert str(raised.value).splitlines() == [f"{path}:{mistake}" for mistake in mistakes]


def test_a_good_file_becomes_the_model(tmp_path: Path) -> None:
    outer = load_as(written(tmp_path, "inner: &a {size: 1}\nrest: [*a, {<<: *a, name: b}]\n"), Outer)
    assert outer == Outer(inner=Inner(size=1), rest=(Inner(size=1), Inner(size=1, name="b")))


def test_a_file_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file\.yml: no such file$"):
        load_mapping(tmp_path / "file.yml")


def test_a_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Is a directory$"):
        load_mapping(tmp_path)


@pytest.mark.parametrize("text", [b"a: \xff\xfe\x00", b"a: 2026-99-99"])
def test_bytes_that_are_no_yaml_are_a_mistake(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ConfigError, match=r"file\.yml"):
        load_mapping(written(tmp_path, text))


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert load_mapping(written(tmp_path, "")) == {}


def test_what_has_no_end_is_no_configuration() -> None:
    with pytest.raises(ConfigError, match="/dev/zero: larger than 16,777,216 bytes"):
        load_mapping(Path("/dev/zero"))
