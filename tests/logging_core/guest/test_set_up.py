"""What an application does to the standard library's logging after `init_logging`."""

import os
import subprocess
import sys

import pytest

from tests.logging_core.guest.conftest import ROOT, Guest

CONFIGURE = """
begin()
early = get_logger("guest.early")
get_logger("guest").info("before")
early.info("early before")
import logging.config
logging.config.dictConfig({{"version": 1, "disable_existing_loggers": {disable}, "loggers": {{"other": {{"level": "INFO"}}}}}})
early.info("early after")
logging.getLogger("guest.early").info("early after")
get_logger("guest.late").info("late")
logging.getLogger("guest.late").info("late")
print(logging.getLogger("guest").disabled)
"""


@pytest.mark.parametrize("disable", [False, True])
def test_dict_config_that_leaves_the_root_alone_leaves_us_alone(guest: Guest, disable: bool) -> None:
    """It closes all handlers there are, and detaches none; a logger that it disables is silent, as it says."""
    guest.run(CONFIGURE.format(disable=disable))
    assert guest.messages() == ["before"]
    assert guest.messages("guest.late") == ["late"] * 2
    assert guest.messages("guest.early") == ["early before"] + ["early after"] * (0 if disable else 2)


def test_records_behind_dict_config_are_written_at_exit(guest: Guest) -> None:
    guest.run("""
begin()
import logging.config
logging.config.dictConfig({"version": 1, "incremental": False})
for number in range(3000):
    get_logger("guest").info(f"record {number}")
""")
    assert len(guest.messages()) == 3000


def test_who_takes_the_root_over_has_it_and_may_give_it_back(guest: Guest) -> None:
    """`basicConfig(force=True)` removes and closes the root's handlers; what they had accepted is written."""
    done = guest.run("""
begin()
log = get_logger("guest")
log.info("before")
logging.basicConfig(force=True, level=logging.INFO, format="mine: %(message)s", stream=sys.stdout)
log.info("meanwhile")
logging.getLogger("guest").info("meanwhile")
begin()
logging.getLogger().handlers[0].setLevel("CRITICAL")
log.info("after")
""")
    assert guest.messages() == ["before", "after"]
    assert done.stdout.splitlines() == ["mine: meanwhile"] * 2


def test_who_only_wipes_the_root_loses_nothing_that_was_accepted(guest: Guest) -> None:
    """As Celery's workers do."""
    guest.run("""
begin()
get_logger("guest").info("before")
logging.getLogger().handlers.clear()
get_logger("guest").info("to nobody")
""")
    assert guest.messages() == ["before"]


def test_logging_shutdown_by_hand_is_no_end(guest: Guest) -> None:
    guest.run("""
begin()
get_logger("guest").info("before")
logging.shutdown()
get_logger("guest").info("after")
""")
    assert guest.messages() == ["before", "after"]


def test_warnings_are_records(guest: Guest) -> None:
    guest.run("""
import warnings
begin()
logging.captureWarnings(True)
warnings.warn("mind the gap")
""")
    (message,) = guest.messages("py.warnings")
    assert "UserWarning: mind the gap" in message


def test_loggers_are_copied_and_pickled_for_other_processes(guest: Guest) -> None:
    guest.run("""
import copy, pickle
begin()
log = get_logger("guest").bind(user_id="u1")
for each in (copy.copy(log), copy.deepcopy(log), pickle.loads(pickle.dumps(log))):
    each.info("again")
""")
    guest.each_once("again", "again", "again")
    assert {record.get("user_id") for record in guest.records()} == {"u1"}


CAPLOG = """
import logging
from logging_core import get_logger, init_logging, shutdown_logging

def test_caplog(caplog, tmp_path):
    init_logging(log_dir=tmp_path, console_level="OFF")
    with caplog.at_level("INFO"):
        get_logger("guest").info("seen %s", 1, order=5)
        logging.getLogger("guest").info("seen too")
    shutdown_logging()
    get_logger("guest").warning("still seen")
    assert caplog.messages == ["seen 1", "seen too", "still seen"]
    assert caplog.records[0].order == 5
    assert caplog.records[0].funcName == "test_caplog"
    assert len((tmp_path / "app.log").read_text().splitlines()) == 2

def test_again(caplog):
    get_logger("guest").warning("seen")
    assert caplog.messages == ["seen"]
"""


def test_pytests_caplog_works(tmp_path: object) -> None:
    path = f"{tmp_path}/test_users.py"
    with open(path, "w") as file:  # noqa: PTH123
        file.write(CAPLOG)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", path]
    done = subprocess.run(
        command, cwd=str(tmp_path), env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
