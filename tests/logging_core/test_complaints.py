"""What logging says of itself, where stderr can be told, and at no cost to the application where it cannot."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logging_core.complaints import complain

ROOT = Path(__file__).parents[2]


def test_a_line_on_the_stderr_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    complain("grün")
    assert capsys.readouterr().err == "tocsin: grün\n"


def test_a_line_on_a_real_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    complain("grün")
    assert capfd.readouterr().err == "tocsin: grün\n"


@pytest.fixture
def full_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    yield writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("first", ["", "from gevent import monkey; monkey.patch_all()"])
def test_a_pipe_that_nobody_reads_holds_nobody_up(full_pipe: int, first: str) -> None:
    program = f"{first}\nfrom logging_core.complaints import complain\nfor _ in range(100): complain('x' * 100_000)\n"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], stderr=full_pipe, timeout=30, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 20


def test_a_pipe_that_nobody_reads_is_filled_and_then_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        for _ in range(200):
            complain("ü" * 100_000)
        monkeypatch.undo()
        assert os.read(reader, 20).startswith(b"tocsin: ")
        os.close(reader)


@pytest.mark.parametrize("stderr", [None, object()])
def test_no_stderr_is_no_harm(monkeypatch: pytest.MonkeyPatch, stderr: object) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    complain("x")
