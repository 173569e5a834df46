"""Signal handlers that log, and signals that end the program, at any moment."""

import pytest

from tests.logging_core.guest.conftest import Guest


@pytest.mark.parametrize("buffer", ["spool", "memory"])
def test_a_storm_of_signals_whose_handler_logs(guest: Guest, buffer: str) -> None:
    if guest.destination == "redis":
        guest.settings["redis"]["buffer"] = buffer
    elif buffer == "memory":
        pytest.skip("files have one buffer")
    done = guest.run("""
begin(queue_size=100_000)
log, plain = get_logger("guest"), logging.getLogger("guest")
handled = 0
def on_alarm(*_):
    global handled
    handled += 1
    (log if handled % 2 else plain).info("signal")
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
class Slow:
    def __str__(self):
        return "shown " + str(sum(range(2000)))
deadline = time.monotonic() + 3
logged = 0
while time.monotonic() < deadline:
    log.info("main", number=logged)
    plain.info("main")
    log.info("main", value=Slow())
    logged += 3
    if logged % 900 == 0:
        lifecycle.stats()
        logging.getLogger().handlers[0].flush(0.01)
signal.setitimer(signal.ITIMER_REAL, 0)
assert handled > 100, handled
print(handled, logged)
""")
    handled, logged = map(int, done.stdout.split())
    found = guest.messages()
    assert (found.count("signal"), found.count("main")) == (handled, logged)


def test_sigterm_without_a_handler_leaves_whole_lines(guest: Guest) -> None:
    """The kernel ends the program at once: what waits in the queue for a file is lost, a few milliseconds' worth."""
    guest.run("""
begin()
for number in range(500):
    get_logger("guest").info(f"record {number}")
time.sleep(0.5)
get_logger("guest").info("last")
os.kill(os.getpid(), signal.SIGTERM)
""", status=-15)  # fmt: skip
    found = guest.messages()
    assert found[:500] == [f"record {number}" for number in range(500)]
    if guest.destination == "redis":
        assert found[500:] == ["last"]


@pytest.mark.parametrize("buffer", ["spool", "memory"])
@pytest.mark.parametrize("end", ["shutdown_logging(); sys.exit(0)", "shutdown_logging(); os._exit(0)", "sys.exit(0)"])
def test_a_handler_of_sigterm_that_shuts_down(guest: Guest, end: str, buffer: str) -> None:
    """It interrupts the thread that logs anywhere, also where that holds a lock of ours."""
    if guest.destination == "redis":
        guest.settings["redis"]["buffer"] = buffer
    elif buffer == "memory":
        pytest.skip("files have one buffer")
    done = guest.run(f"""
begin(queue_size=1_000_000)
log = get_logger("guest")
def on_term(*_):
    print(count, time.monotonic(), flush=True)
    {end}
signal.signal(signal.SIGTERM, on_term)
count = 0
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
while True:
    log.info("main")
    count += 1
    if count % 2000 == 0:
        time.sleep(0.01)
""")
    count = int(done.stdout.split()[0])
    found = guest.messages().count("main")
    assert count <= found <= count + 1


def test_one_who_shuts_down_inside_of_logging_is_not_held_up(guest: Guest) -> None:
    done = guest.run("""
begin()
log = get_logger("guest")
log.info("begun")
time.sleep(0.2)
class Ending:
    def __str__(self):
        shutdown_logging()
        return "ending"
started = time.monotonic()
log.info(Ending())
print(time.monotonic() - started)
log.info("after")
""")
    assert float(done.stdout) < 1.5
    assert guest.messages()[0] == "begun"
