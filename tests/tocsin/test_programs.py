import configparser
import os
import re
import shlex
from pathlib import Path

import pytest
from supervisor.options import UnhosedConfigParser

from tasks import schedule
from tasks.settings import Settings
from tocsin import programs
from tocsin.errors import OperatorError
from tocsin.programs import Layout, Program


@pytest.fixture
def layout() -> Layout:
    return Layout(Path("/srv/shop/.tocsin"))


def _parsed(stack: list[Program], layout: Layout) -> configparser.RawConfigParser:
    parser = UnhosedConfigParser()
    parser.read_string(programs.supervisord_configuration(stack, layout))
    return parser


def test_redis_starts_first_and_so_stops_last(layout):
    settings = Settings()
    parser = _parsed([programs.redis_program(settings, layout), *programs.stack(settings)], layout)
    order = {
        name: parser.getint(f"program:{name}", "priority")
        for name in ("redis", "ingest", "evaluate", "worker", "beat", "web")
    }
    assert sorted(order, key=order.get) == ["redis", "ingest", "evaluate", "worker", "beat", "web"]


def test_a_command_line_survives_supervisords_grammar(layout):
    program = Program("odd", ["/bin/echo", "ingest@%h", "two words", "100%"])
    command = _parsed([program], layout).get("program:odd", "command")
    assert shlex.split(command % {}) == program.command


def test_every_queue_of_the_schedule_has_a_worker():
    served = {queue for program in programs.stack(Settings()) for word in program.command for queue in word.split(",")}
    assert {entry["options"]["queue"] for entry in schedule.entries(Settings()).values()} <= served


def test_evaluation_shares_its_worker_with_nothing():
    (serving,) = [each for each in programs.stack(Settings()) if any("evaluate" in word for word in each.command)]
    assert serving.command[serving.command.index("-Q") + 1] == "evaluate"


def test_procfile_and_compose_serve_the_same_queues():
    commands = [each.command for each in programs.stack(Settings()) if "-Q" in each.command]
    serving = {command[command.index("-Q") + 1] for command in commands}
    for file in ("Procfile", "docker/compose.yaml"):
        text = (Path(__file__).parents[2] / file).read_text()
        assert set(re.findall(r" -Q (\S+)", text)) == serving


@pytest.mark.parametrize("path", ["/srv/100%", "/srv/a #b", "/srv/a;b", '/srv/"a"'])
def test_a_data_folder_that_supervisord_would_misread_is_refused(path):
    with pytest.raises(OperatorError, match="set TOCSIN__DATA_DIR"):
        Layout(Path(path))


def test_a_data_folder_too_long_for_a_socket_is_refused():
    with pytest.raises(OperatorError, match="longer than"):
        Layout(Path("/srv") / ("é" * (programs.LONGEST // 2)))
    assert len(os.fsencode(Layout(Path("/" + "x" * (programs.LONGEST - 1))).socket)) < 104
