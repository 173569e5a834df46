"""What Python prints of an exception is read back as it was."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from logging_core.export.stack import Frame, chain


def caught(do: Callable[[], object]) -> tuple[str, str, str]:
    try:
        do()
    except Exception as error:  # noqa: BLE001  # whatever it is
        return "".join(traceback.format_exception(error)), type(error).__qualname__, str(error)
    raise AssertionError


def plain() -> None:
    raise ValueError("no")


def chained() -> None:
    try:
        plain()
    except ValueError as error:
        raise LookupError from error


def during() -> None:
    try:
        chained()
    except LookupError:
        raise RuntimeError('a\n  File "x", line 1, in y\nb')  # noqa: B904


def deep(left: int = 500) -> None:
    if left:
        deep(left - 1)
    raise ValueError("deep")


@pytest.mark.parametrize(
    ("do", "raised"),
    [
        (plain, [("ValueError", "no")]),
        (chained, [("ValueError", "no"), ("LookupError", "")]),
        (lambda: compile("a b", "x.py", "exec"), [("SyntaxError", "invalid syntax (x.py, line 1)")]),
    ],
)
def test_a_chain(do: Callable[[], object], raised: list[tuple[str, str]]) -> None:
    found = chain(*caught(do))
    assert [(each.type, each.message) for each in found] == raised
    for each in found:
        assert each.frames


def test_three_of_a_chain_and_a_message_that_looks_like_a_frame() -> None:
    found = chain(*caught(during))
    assert [each.type for each in found] == ["ValueError", "LookupError", "RuntimeError"]
    assert [frame.function for frame in found[0].frames] == ["chained", "plain"]
    assert found[0].frames[-1].code == 'raise ValueError("no")'


def test_frames_are_bounded() -> None:
    (found,) = chain(*caught(deep))
    assert 1 <= len(found.frames) <= 100
    assert found.frames[-1].function == "deep"


@pytest.mark.parametrize("text", ["", "\n", "nonsense", "Traceback (most recent call last):\n", "  File", "\n\n: \n"])
def test_what_is_no_traceback(text: str) -> None:
    (found,) = chain(text, "ValueError", "no")
    assert (found.type, found.message, found.frames) == ("ValueError", "no", ())


@pytest.mark.parametrize(
    ("path", "in_app"),
    [
        ("/srv/shop/orders.py", True),
        (__file__, True),
        (traceback.__file__, False),
        ("/venv/lib/python3.11/site-packages/flask/app.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_whose_code_it_is(path: str, in_app: bool) -> None:
    assert Frame(path, 1, "f", "").in_app is in_app


def test_a_module_by_its_place() -> None:
    assert Frame(traceback.__file__, 1, "f", "").module == "traceback"
    package = str(Path(traceback.__file__).with_name("json") / "__init__.py")
    assert Frame(package, 1, "f", "").module == "json"
    assert Frame("/nowhere/x.py", 1, "f", "").module is None
