"""Threads of ours: none before there is work, none that dies for good."""

from tests.logging_core.guest.conftest import Guest

OURS = """
def ours():
    return sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
"""


def test_the_thread_begins_with_the_first_record(guest: Guest) -> None:
    done = guest.run(OURS + """
print(ours())
begin()
log = get_logger("guest")
print(ours())
log.info("the first")
print(ours())
log.info("the second")
shutdown_logging()
print(ours())
""")  # fmt: skip
    thread = {"files": "tocsin-background", "redis": "tocsin-shipper"}[guest.destination]
    assert done.stdout.splitlines() == ["[]", "[]", str([thread]), "[]"]


def test_a_record_that_nobody_keeps_begins_none(guest: Guest) -> None:
    done = guest.run(OURS + """
begin(log_level="ERROR")
get_logger("guest").info("too low")
logging.getLogger("guest").debug("too low")
get_logger("guest").isEnabledFor(50)
print(ours())
shutdown_logging()
print(ours())
""")  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_a_program_that_only_sets_up_leaves_nothing_running(guest: Guest) -> None:
    guest.run("begin()")
    assert guest.records() == []


def test_threads_that_die_while_they_log_leave_the_others_alone(guest: Guest) -> None:
    guest.run("""
begin()
threading.excepthook = lambda _: None
class Fatal:
    def __str__(self):
        raise SystemExit
def die(number):
    get_logger("guest").info(f"{number} lives")
    get_logger("guest").info(Fatal())
threads = [threading.Thread(target=die, args=(number,)) for number in range(30)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
get_logger("guest").info("all dead")
""")
    guest.each_once(*(f"{number} lives" for number in range(30)), "all dead")


def test_the_thread_of_ours_is_begun_again_where_something_has_killed_it(guest: Guest) -> None:
    """As `gevent.killall` and some libraries' timeouts do, by an exception that is none of `Exception`."""
    guest.run("""
import ctypes
begin()
log = get_logger("guest")
log.info("before")
time.sleep(0.3)
victim = next(each for each in threading.enumerate() if each.name.startswith("tocsin-"))
threading.excepthook = lambda _: None
ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(victim.ident), ctypes.py_object(SystemExit))
deadline = time.monotonic() + 20
number = 0
while victim.is_alive() and time.monotonic() < deadline:
    log.info("during")
    number += 1
    time.sleep(0.01)
assert not victim.is_alive()
for _ in range(10):
    log.info("after")
    time.sleep(0.05)
assert any(each.name.startswith("tocsin-") for each in threading.enumerate())
assert number, "it died of itself"
print(number)
""")
    found = guest.messages()
    assert found[0] == "before"
    assert found.count("after") == 10
