"""The event loop: its tasks have contexts of their own, and logging never holds it up."""

import pytest

from tests.logging_core.guest.conftest import Guest
from tests.waiting import free_port

LAG = """
lags = []
async def beat():
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        lags.append(loop.time() - due)
async def quietly(work):
    # What the same loop lags behind for, beside the same work without logging, is the machine's.
    beating = asyncio.create_task(beat())
    await work
    beating.cancel()
    worst = max(lags)
    lags.clear()
    return worst
"""


def test_tasks_have_contexts_of_their_own(guest: Guest) -> None:
    guest.run("""
begin()
async def work(name):
    get_logger("guest").set_trace_context(f"trace-{name}", task=name)
    for number in range(20):
        get_logger("guest").info(f"{name} {number}")
        await asyncio.sleep(0)
        await asyncio.to_thread(get_logger("guest").info, f"{name} thread {number}")
async def main():
    await asyncio.gather(*(work(name) for name in range(20)))
asyncio.run(main())
""")
    guest.each_once(*(f"{name} {kind}{n}" for name in range(20) for kind in ("", "thread ") for n in range(20)))
    own = [record for record in guest.records() if record["logger"] == "guest"]
    assert all(record["trace_id"] == f"trace-{record['task']}" for record in own)


FLOOD = """
log = get_logger("guest")
async def flood(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(20):
            log.info("x" * 500, number=1)
            logging.getLogger("guest").info("x" * 500)
        await asyncio.sleep(0.002)
"""


def test_the_loop_goes_on_while_what_is_behind_logging_stands_still(guest: Guest) -> None:
    """Redis away, and away silently; a disk that is full. The bound is a hang's, not a pace's."""
    if guest.destination == "redis":
        guest.settings["redis"]["url"] = f"redis://127.0.0.1:{free_port()}/0"
        stand_still = ""
    else:
        stand_still = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    done = guest.run(LAG + FLOOD + f"""
begin(queue_size=2000)
{stand_still}
print(asyncio.run(quietly(flood(4))))
print(sum(lifecycle.stats()["dropped"].values()))
os._exit(0)
""")  # fmt: skip
    worst, dropped = map(float, done.stdout.split())
    assert worst < 0.5
    if guest.destination == "files":
        assert dropped


def test_a_redis_that_takes_connections_and_never_answers(guest: Guest) -> None:
    if guest.destination == "files":
        pytest.skip("no Redis there")
    done = guest.run(LAG + FLOOD + """
import socket
silent = socket.create_server(("127.0.0.1", 0))
begin(redis={"url": f"redis://127.0.0.1:{silent.getsockname()[1]}/0"})
print(asyncio.run(quietly(flood(3))))
os._exit(0)
""")  # fmt: skip
    assert float(done.stdout) < 0.5
