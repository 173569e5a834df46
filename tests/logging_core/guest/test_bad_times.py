"""What fails while an application runs: it is counted, told once, and never raised into the application."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logging_core.guest.conftest import Guest
from tests.waiting import free_port

STORM = """
from tests.hostile import for_each
seen = []
def log(parts):
    given = parts.attributes
    fields = {name: value for name, value in given.items() if isinstance(name, str) and type(name) is str}
    number = len(seen)
    seen.append(number)
    get_logger("guest.unified").info("%s" if number % 2 else "hostile", *([object()] if number % 2 else []), **fields)
    get_logger("guest.standard").info("hostile", stacklevel=1, **{n: v for n, v in fields.items() if n != "stacklevel"})
    get_logger("guest.bound").bind(**fields).error("hostile")
    get_logger("guest.message").warning(given.get("msg"), given.get("args"))
    bound = {n: v for n, v in fields.items() if n not in ("trace_id", "span_id", "self")}
    with logging_core.LoggingContext(None, None, **bound):
        get_logger("guest.context").info("hostile")
    logging.getLogger("guest.plain").handle(parts.record("known"))
"""


def test_a_storm_of_hostile_records(guest: Guest) -> None:
    guest.settings["queue_size"] = 100_000
    done = guest.run(STORM + """
begin()
for_each(20260211, 400, log)
print(len(seen))
""")  # fmt: skip
    count = int(done.stdout)
    assert count >= 400
    for name in ("unified", "standard", "bound", "context"):
        assert len(guest.messages(f"guest.{name}")) == count, name
    assert "lost in the handler" not in done.stderr


LOG_FOR_A_WHILE = """
def log_for(seconds):
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        get_logger("guest").info(f"record {number}", filler="x" * 200)
        logging.getLogger("guest").info(f"plain {number}", extra={"filler": "x" * 200})
        number += 1
        time.sleep(0.001)
    return number
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "logs"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode:
        pytest.skip("a file system of its own can be mounted by root alone")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def files_only(guest: Guest) -> None:
    if guest.destination != "files":
        pytest.skip("no files of ours")


def test_a_full_disk(guest: Guest, small_disk: Path) -> None:
    files_only(guest)
    done = guest.run(LOG_FOR_A_WHILE + """
begin(queue_size=300)
number = log_for(2)
stats = lifecycle.stats()
assert stats["dropped"]["queue_full"] > 0
assert stats["accepted"] + stats["dropped"]["queue_full"] == 2 * number
shutdown_logging()
""")  # fmt: skip
    told = done.stderr.splitlines()
    assert len([line for line in told if "cannot be written" in line]) == 1
    assert len(told) <= 3, told  # and that the queue is nearly full
    assert all(message.startswith(("record", "plain")) for message in guest.messages())
    assert small_disk.exists()


def test_a_folder_that_is_taken_away_and_comes_back(guest: Guest) -> None:
    files_only(guest)
    done = guest.run("""
import shutil
begin()
log = get_logger("guest")
log.info("before")
logging.getLogger().handlers[0].flush(5)
shutil.move("logs", "moved")
open("logs", "w").close()
for number in range(100):
    log.info(f"meanwhile {number}")
    time.sleep(0.002)
os.remove("logs")
logging.getLogger().handlers[0].flush(10)
log.info("after")
""")
    assert guest.messages() == [*(f"meanwhile {number}" for number in range(100)), "after"]
    assert len(done.stderr.splitlines()) == 1
    assert (guest.folder / "moved" / "app.log").read_text().count("before") == 1


def test_redis_away_from_the_start(guest: Guest) -> None:
    if guest.destination != "redis":
        pytest.skip("no Redis there")
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    done = guest.run(LOG_FOR_A_WHILE + f"""
begin(redis={{"url": "{nobody}", "buffer": "memory"}}, queue_size=500)
number = log_for(1)
stats = lifecycle.stats()
assert stats["accepted"] == 500
assert stats["dropped"] == {{"buffer_full": 2 * number - 500}}, stats
started = time.monotonic()
shutdown_logging()
assert time.monotonic() - started < 5
""")  # fmt: skip
    waits, refused, lost = done.stderr.splitlines()
    assert f"wait for {nobody}" in waits
    assert refused.endswith("refused: buffer_full")
    assert "500 log records were not shipped" in lost


@pytest.mark.parametrize("how", ["sys.stderr.close()", "os.close(2)", "sys.stderr = None",
                                 "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
                                 "r, w = os.pipe(); os.dup2(w, 2); os.close(w); os.close(r)"])  # fmt: skip
def test_stderr_closed_while_records_are_shown_there(guest: Guest, how: str) -> None:
    guest.run(f"""
begin(console_level="DEBUG")
get_logger("guest").info("before")
time.sleep(0.1)
{how}
for number in range(100):
    get_logger("guest").info(f"after {{number}}")
    logging.getLogger("guest").info(f"plain {{number}}")
shutdown_logging()
os._exit(0)
""")
    guest.each_once("before", *(f"{kind} {number}" for kind in ("after", "plain") for number in range(100)))


def test_descriptors_run_out(guest: Guest) -> None:
    guest.run("""
import resource
begin()
get_logger("guest").info("before")
logging.getLogger().handlers[0].flush(10)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for number in range(100):
    get_logger("guest").info(f"meanwhile {number}")
time.sleep(0.5)
for each in taken:
    os.close(each)
get_logger("guest").info("after")
""")
    guest.each_once("before", *(f"meanwhile {number}" for number in range(100)), "after")


def test_no_thread_can_begin(guest: Guest) -> None:
    """What waits is written when logging is shut down; what a spool holds is left to the living."""
    done = guest.run("""
begin()
begin_thread = threading.Thread.start
def refuse(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
for number in range(20):
    get_logger("guest").info(f"record {number}")
threading.Thread.start = begin_thread
""")
    guest.each_once(*(f"record {number}" for number in range(20)))
    assert len(done.stderr.splitlines()) == 1, done.stderr
