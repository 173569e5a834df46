"""Greenlets: each has a context of its own, none waits for another's record, and nothing starves."""

import pytest

from tests.logging_core.guest.conftest import Guest

PATCH = "from gevent import monkey; monkey.patch_all()"
LATE = "import logging_core.lifecycle, logging_core.handlers"  # and patched behind it, as gunicorn's worker does
WORK = """
import gevent
{patch}
begin()
def work(name):
    with logging_core.LoggingContext(trace_id=f"trace-{{name}}"):
        for number in range(100):
            get_logger("guest").info(f"{{name}} {{number}}", name_=name)
            logging.getLogger("guest").info(f"{{name}} plain {{number}}", extra={{"name_": name}})
            if number % 10 == 0:
                gevent.sleep(0)
gevent.joinall([gevent.spawn(work, name) for name in range(20)], raise_error=True)
"""


@pytest.mark.parametrize(("before", "patch"), [(PATCH, ""), (LATE, PATCH)], ids=["patched first", "patched late"])
def test_greenlets(guest: Guest, before: str, patch: str) -> None:
    guest.run(WORK.format(patch=patch), before=before)
    guest.each_once(*(f"{name} {kind}{n}" for name in range(20) for kind in ("", "plain ") for n in range(100)))
    assert all(record["trace_id"] == f"trace-{record['name_']}" for record in guest.records())


def test_nothing_starves(guest: Guest) -> None:
    """Neither the greenlet that writes beside busy ones, nor the others beside it; also where a thread pool logs."""
    guest.run("""
import gevent
from gevent.threadpool import ThreadPool
begin()
root = logging.getLogger().handlers[0]
lags = []
def beat():
    while True:
        started = time.monotonic()
        gevent.sleep(0.005)
        lags.append(time.monotonic() - started)
def work(name):
    for number in range(300):
        get_logger("guest").info(f"{name} {number}")
        gevent.sleep(0.001)
beating = gevent.spawn(beat)
pool = ThreadPool(2)
native = [pool.spawn(get_logger("guest").info, f"native {number}") for number in range(50)]
gevent.joinall([gevent.spawn(work, name) for name in range(10)], raise_error=True)
for each in native:
    each.get(timeout=10)
assert root.flush(10)
beating.kill()
assert max(lags) < 2, max(lags)
assert len(lags) > 20, len(lags)
""", before=PATCH)  # fmt: skip
    guest.each_once(*(f"{name} {n}" for name in range(10) for n in range(300)), *(f"native {n}" for n in range(50)))


def test_killed_greenlets_take_no_record_with_them(guest: Guest) -> None:
    guest.run("""
import gc, gevent
begin()
log = get_logger("guest")
log.info("before")
gevent.sleep(0.3)
gevent.killall([each for each in gc.get_objects() if isinstance(each, gevent.Greenlet)], timeout=5)
log.info("after")
gevent.sleep(0.3)
""", before=PATCH)  # fmt: skip
    assert guest.messages() == ["before", "after"]


def test_a_forked_worker_that_patches_after_all_was_set_up(guest: Guest) -> None:
    """As gunicorn's does with `--preload`: what was made before is no lock for greenlets to wait for."""
    guest.run("""
begin()
get_logger("guest").info("master")
time.sleep(0.2)
pid = os.fork()
if not pid:
    from gevent import monkey
    monkey.patch_all()
    import gevent
    lags = []
    for number in range(20):
        get_logger("guest").info(f"worker {number}")
        started = time.monotonic()
        gevent.sleep(0.05)
        lags.append(time.monotonic() - started)
    assert max(lags) < 5, lags
    shutdown_logging()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
""")
    guest.each_once("master", *(f"worker {number}" for number in range(20)))


@pytest.mark.parametrize("buffer", ["spool", "memory"])
def test_greenlets_of_ours_do_not_live_on_in_forked_children(guest: Guest, buffer: str) -> None:
    """A fork copies greenlets: the child's copies must write nothing, and leave the parent's connection alone."""
    if guest.destination == "redis":
        guest.settings["redis"]["buffer"] = buffer
    elif buffer == "memory":
        pytest.skip("files have one buffer")
    done = guest.run("""
import gevent
begin()
log = get_logger("guest")
children = []
for worker in range(8):
    for number in range(30):
        log.info(f"master {worker} {number}")
        if number == 15:
            gevent.sleep(0.002 * worker)
    pid = os.fork()
    if not pid:
        for number in range(30):
            log.info(f"worker {worker} {number}")
            gevent.sleep(0.003)
        gevent.sleep(0.2)
        assert logging.getLogger().handlers[0].flush(20)
        shutdown_logging()
        os._exit(0)
    children.append(pid)
    gevent.sleep(0.001 * worker)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
assert logging.getLogger().handlers[0].flush(20)
""", before=PATCH)  # fmt: skip
    assert "tocsin:" not in done.stderr
    guest.each_once(*(f"{who} {worker} {n}" for who in ("master", "worker") for worker in range(8) for n in range(30)))


def test_a_fork_before_redis_has_said_its_first_word_takes_no_answer_from_the_parent(guest: Guest) -> None:
    """The copies of the greenlet that connects wait for the same answer as it does, and must not have it."""
    if guest.destination == "files":
        pytest.skip("nothing is connected to")
    guest.settings["redis"]["buffer"] = "memory"
    done = guest.run(f"""
import gevent, redis
begin()
redis.Redis.from_url({guest.url!r}, protocol=2).execute_command("CLIENT", "PAUSE", "500", "ALL")
get_logger("guest").info("one")
gevent.sleep(0.1)
children = []
for _ in range(6):
    pid = os.fork()
    if not pid:
        gevent.sleep(1)
        os._exit(0)
    children.append(pid)
assert logging.getLogger().handlers[0].flush(20)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
""", before=PATCH)  # fmt: skip
    assert "tocsin:" not in done.stderr
    guest.each_once("one")
