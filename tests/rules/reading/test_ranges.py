"""A file in parts: each line belongs to the part it begins in."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.reading import ranges
from rules.reading.opening import open_source
from rules.reading.ranges import aligned


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranges") / "app.log"


@given(
    st.lists(st.integers(0, 20), max_size=40).map(lambda sizes: b"\n".join(b"x" * size for size in sizes)),
    st.integers(1, 30),
    st.integers(1, 8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_of_any_size_begin_where_lines_begin(path: Path, text: bytes, size: int, step: int) -> None:
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch, open_source(path) as source:
        patch.setattr(ranges, "_STEP", step)
        for begin in range(0, len(text), size):
            end = min(begin + size, len(text))
            starts = [at for at in range(begin, end) if at == 0 or text[at - 1 : at] == b"\n"]
            assert aligned(source, begin, end) == (starts[0] if starts else end)
            assert source.position == (starts[0] if starts else end)
            memory = bytearray(1)
            assert (
                text[source.position :][: source.read(memoryview(memory))] == text[starts[0] if starts else end :][:1]
            )


def test_behind_the_last_line_begins_nothing(path: Path) -> None:
    path.write_bytes(b"one\nhalf")
    with open_source(path) as source:
        assert aligned(source, 2) == 4
        assert aligned(source, 5) == 8
