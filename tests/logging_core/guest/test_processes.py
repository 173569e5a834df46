"""Processes that begin others: by fork and exec, before and after logging was set up. Every record arrives once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.logging_core.guest.conftest import Guest
from tests.waiting import free_port, wait_until


@pytest.mark.parametrize("end", ["shutdown_logging(); os._exit(0)", "sys.exit(0)"])
def test_a_master_that_logs_and_forks_its_workers(guest: Guest, end: str) -> None:
    """As uwsgi does: the master sets up and logs; each worker goes on from there."""
    guest.run(f"""
begin()
log = get_logger("guest")
for number in range(200):
    log.info(f"master {{number}}")
children = []
for worker in range(3):
    pid = os.fork()
    if not pid:
        for number in range(200):
            log.info(f"worker {{worker}} {{number}}")
            logging.getLogger("guest").info(f"worker {{worker}} plain {{number}}")
        {end}
    children.append(pid)
    log.info(f"forked {{worker}}")
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
log.info("reaped")
""")
    workers = [f"worker {worker} {kind}{n}" for worker in range(3) for kind in ("", "plain ") for n in range(200)]
    guest.each_once(*(f"master {n}" for n in range(200)), *(f"forked {n}" for n in range(3)), "reaped", *workers)


def test_a_worker_that_is_killed_or_exits_hard_doubles_nothing(guest: Guest) -> None:
    guest.run("""
begin()
log = get_logger("guest")
log.info("master")
for number, end in enumerate((lambda: os._exit(0), lambda: os.kill(os.getpid(), signal.SIGKILL))):
    pid = os.fork()
    if not pid:
        log.info(f"worker {number}")
        time.sleep(0.5)
        end()
    os.waitpid(pid, 0)
""")
    guest.each_once("master", "worker 0", "worker 1")


def test_forks_from_many_threads_that_log(guest: Guest) -> None:
    """Whatever lock a thread holds at the moment of a fork, the child has none to wait for."""
    guest.run("""
begin()
log = get_logger("guest")
stop = threading.Event()
def chatter():
    number = 0
    while not stop.is_set():
        log.info("chatter", number=number, value=object())
        logging.getLogger("guest").info("chatter")
        lifecycle.stats()
        number += 1
        time.sleep(0.0005)
threads = [threading.Thread(target=chatter) for _ in range(4)]
for thread in threads: thread.start()
for number in range(40):
    pid = os.fork()
    if not pid:
        get_logger("guest.child").info(f"child {number}")
        logging.getLogger("guest.child").info(f"plain {number}")
        shutdown_logging()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
""")
    guest.each_once(*(f"{kind} {n}" for kind in ("child", "plain") for n in range(40)), logger="guest.child")


WORK = """
def work(number):
    get_logger("guest").info(f"work {number}")
    logging.getLogger("guest").info(f"plain {number}")
    return number
"""
SPAWNED = (
    WORK
    + """
begin()
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
def main(method):
    get_logger("guest").info("main")
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=work, args=(number,)) for number in range(3)]
    for process in processes: process.start()
    for process in processes: process.join()
    pool = context.Pool(2)
    assert pool.map(work, range(3, 23)) == list(range(3, 23))
    pool.close()
    pool.join()
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(work, range(23, 43))) == list(range(23, 43))
if __name__ == "__main__":
    main(sys.argv[1])
"""
)


@pytest.mark.parametrize("buffer", ["spool", "memory"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(guest: Guest, method: str, buffer: str) -> None:
    if guest.destination == "redis":
        guest.settings["redis"]["buffer"] = buffer
    elif buffer == "memory":
        pytest.skip("files have one buffer")
    guest.run_command([sys.executable, str(guest.file("work.py", SPAWNED)), method])
    guest.each_once("main", *(f"{kind} {number}" for kind in ("work", "plain") for number in range(43)))


APPLICATION = """
begin()
get_logger("guest").info("loaded")
def application(environ, start_response):
    get_logger("guest").info("answers " + environ["QUERY_STRING"], worker=os.getpid())
    logging.getLogger("guest").info("plain " + environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("options", [(), ("--preload",), ("-k", "gthread", "--threads", "4", "--preload"),
                                     ("-k", "gevent"), ("-k", "gevent", "--preload")], ids=" ".join)  # fmt: skip
def test_gunicorn(guest: Guest, options: tuple[str, ...], tmp_path: Path) -> None:
    port = free_port()
    guest.file("guest_app.py", APPLICATION)
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-w",
        "2",
        "-b",
        f"127.0.0.1:{port}",
        *options,
        "guest_app:application",
    ]
    with subprocess.Popen(command, cwd=tmp_path, env=guest.environment, stderr=subprocess.PIPE, text=True) as server:
        workers = set()
        try:
            wait_until(lambda: _answers(port), what="gunicorn to answer")
            for number in range(200):
                workers.add(requests.get(f"http://127.0.0.1:{port}/?{number}", timeout=20).text)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                _, said = server.communicate(timeout=40)
            finally:
                server.kill()
    assert "Traceback" not in said
    assert server.returncode == 0, said
    found = guest.messages()
    answered = [message for message in found if not message.endswith("probe") and message != "loaded"]
    assert sorted(answered) == sorted(f"{kind} {number}" for kind in ("answers", "plain") for number in range(200))
    assert found.count("loaded") == (1 if "--preload" in options else 2)
    assert len(workers) >= 1
    assert os.getpid() not in workers


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/?probe", timeout=20).ok
    except requests.ConnectionError:
        return False


TASKS = """
from celery import Celery
from celery.signals import setup_logging
app = Celery("guest_tasks", broker="{url}", backend="{url}")
app.conf.broker_connection_retry_on_startup = True
@setup_logging.connect
def set_up(**_):
    begin()
@app.task(name="guest.work")
def work(number):
    get_logger("guest").info(f"work {{number}}")
    logging.getLogger("guest").info(f"plain {{number}}")
    return number
"""


def test_celerys_prefork_workers(guest: Guest, tmp_path: Path) -> None:
    guest.file("guest_tasks.py", TASKS.format(url=f"{guest.url.rpartition('/')[0]}/5"))
    command = [sys.executable, "-m", "celery", "-A", "guest_tasks", "worker", "-c", "2", "-P", "prefork",
               "--without-gossip", "--without-mingle", "--without-heartbeat"]  # fmt: skip
    send = """
import guest_tasks
results = [guest_tasks.work.delay(number) for number in range(100)]
assert [result.get(timeout=30) for result in results] == list(range(100))
"""
    with subprocess.Popen(command, cwd=tmp_path, env=guest.environment, stderr=subprocess.PIPE, text=True) as worker:
        try:
            subprocess.run([sys.executable, "-c", send], cwd=tmp_path, env=guest.environment, check=True, timeout=60)
        finally:
            worker.send_signal(signal.SIGTERM)
            try:
                _, said = worker.communicate(timeout=40)
            finally:
                worker.kill()
    assert "Traceback" not in said
    guest.each_once(*(f"{kind} {number}" for kind in ("work", "plain") for number in range(100)))
    assert "celery.app.trace" in {record["logger"] for record in guest.records()}
