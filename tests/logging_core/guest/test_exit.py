"""How programs end, and what of their last words arrives."""

import pytest

from tests.logging_core.guest.conftest import Guest

BEFORE = """
import atexit, logging
atexit.register(lambda: logging.getLogger("guest").warning("registered before"))
"""


def test_exit_functions_of_before_and_after_are_heard(guest: Guest) -> None:
    guest.run("""
begin()
atexit.register(lambda: get_logger("guest").warning("registered after"))
get_logger("guest").info("running")
""", before=BEFORE)  # fmt: skip
    assert guest.messages() == ["running", "registered after", "registered before"]


def test_only_an_exit_function_logs(guest: Guest) -> None:
    guest.run("begin()", before=BEFORE)
    assert guest.messages() == ["registered before"]


@pytest.mark.parametrize(
    ("end", "status"),
    [("", 0), ("sys.exit(3)", 3), ("raise RuntimeError('unhandled')", 1), ("raise KeyboardInterrupt", -2)],
)
def test_however_a_program_ends_all_that_it_logged_arrives(guest: Guest, end: str, status: int) -> None:
    guest.run(f"""
begin()
for number in range(3000):
    get_logger("guest").info(f"record {{number}}")
{end}
""", status=status)  # fmt: skip
    assert guest.messages() == [f"record {number}" for number in range(3000)]


def test_threads_that_log_while_the_interpreter_ends_neither_stop_it_nor_tear_a_line(guest: Guest) -> None:
    guest.run("""
begin()
def chatter():
    for number in range(10_000_000):
        get_logger("guest").info("on and on")
        time.sleep(0)
for _ in range(3):
    threading.Thread(target=chatter, daemon=True).start()
time.sleep(0.2)
get_logger("guest").info("main ends")
""")
    assert guest.messages().count("main ends") == 1


def test_what_finalizers_log_while_modules_are_taken_down_hurts_nothing(guest: Guest) -> None:
    done = guest.run("""
begin()
class Loud:
    def __del__(self):
        get_logger("guest").warning("going")
        logging.getLogger("guest").warning("gone")
kept = Loud()
sys.kept = Loud()
log = get_logger("guest")
log.info("running")
del kept
""")
    assert guest.messages()[:3] == ["running", "going", "gone"]
    assert "Traceback" not in done.stderr


def test_finalizers_alone(guest: Guest) -> None:
    """No thread can begin any more when they log, and none is waited for."""
    done = guest.run("""
begin()
class Loud:
    def __del__(self):
        get_logger("guest").warning("going")
sys.kept = Loud()
""")
    assert "Traceback" not in done.stderr


def test_os_exit_loses_what_waits_and_leaves_whole_lines(guest: Guest) -> None:
    guest.run("""
begin()
for number in range(500):
    get_logger("guest").info(f"record {number}")
os._exit(0)
""")
    found = guest.messages()
    assert found == [f"record {number}" for number in range(len(found))]
    if guest.destination == "redis":  # what the spool has accepted survives whatever ends the process
        assert len(found) == 500


def test_flushed_before_os_exit_nothing_is_lost(guest: Guest) -> None:
    guest.run("""
begin()
for number in range(500):
    get_logger("guest").info(f"record {number}")
shutdown_logging()
os._exit(0)
""")
    assert len(guest.messages()) == 500
