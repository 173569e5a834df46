"""Each finding by its real condition where a test can make it: on a real Redis, a real broker, real folders."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis as redis_py
from pydantic import SecretStr
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from logging_core.storage.journal import Journal
from logging_core.streams import stream
from logging_core.streams.connection import connect, servers
from tasks import canary, heartbeat, schedule
from tasks import settings as tasks_settings
from tasks.app import app
from tasks.settings import AlertSettings, Settings
from tasks.status import QUEUES
from tests.stack import PATIENCE
from tests.waiting import wait_until
from tocsin import doctor, facts
from tocsin.doctor import MIB, findings
from tocsin.facts import Facts, gather

WEBHOOK = AlertSettings(slack_webhook_url=SecretStr("https://hooks.slack.com/services/x"))


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setattr(facts, "spool_root", lambda _: tmp_path / "spool" / "redis")
    folders = {"log_dir": tmp_path / "logs", "data_dir": tmp_path / "data"}
    return tasks_settings.load().model_copy(update={"alerts": WEBHOOK, **folders})


@pytest.fixture
def worker(redis) -> Iterator[Callable[..., None]]:
    """Starts the heart of a worker."""
    hearts = []

    def start(queues: frozenset[str] = QUEUES, name: str = "worker@a") -> None:
        hearts.append(heartbeat.Heart(heartbeat.Worker(name, 1, tuple(queues), 0.0), redis))
        wait_until(lambda: name in {each.name for each in heartbeat.workers(redis)})

    yield start
    for heart in hearts:
        heart.stop()


@pytest.fixture
def beat(redis) -> None:
    redis.set(schedule.TICK_KEY, redis.time()[0])


@pytest.fixture
def told(redis, settings, worker, beat) -> Callable[[], list[str]]:
    """What the doctor says of a stack that was well before the test."""
    worker()
    return lambda: [str(finding) for finding in findings(gather(settings, redis), settings)]


@pytest.fixture
def well(redis, settings, worker, beat) -> Facts:
    worker()
    return gather(settings, redis)


@pytest.fixture
def set_up(redis) -> Iterator[Callable[[str, object], None]]:
    """Sets up the real server otherwise, for the test."""
    before = {}

    def change(name: str, value: object) -> None:
        before.setdefault(name, redis.config_get(name)[name])
        redis.config_set(name, value)

    yield change
    for name, value in before.items():
        redis.config_set(name, value)


def _of_answers(well: Facts, settings: Settings, **changes: object) -> list[str]:
    changed = dataclasses.replace(well, answers=dataclasses.replace(well.answers, **changes))
    return [str(finding) for finding in findings(changed, settings)]


def test_where_all_is_well_nothing_is_found(told):
    assert told() == []


# -- Redis -----------------------------------------------------------------------------------------------------------


def test_a_redis_that_evicts(told, set_up):
    set_up("maxmemory-policy", "allkeys-lru")
    (finding,) = told()
    assert finding.startswith("error: Redis deletes what it holds when memory is short (maxmemory-policy allkeys-lru)")
    assert finding.endswith("; set its maxmemory-policy noeviction")


def test_a_redis_without_persistence(told, set_up):
    set_up("appendonly", "no")
    assert told() == ["error: Redis keeps nothing on disk: its restart loses records; set its appendonly yes"]
    set_up("save", "3600 1")
    assert told() == []


def test_a_redis_that_is_nearly_full(told, redis, set_up):
    set_up("maxmemory", redis.info("memory")["used_memory"] * 100 // 95)
    (finding,) = told()
    assert finding.startswith("error: Redis is nearly full (")
    assert finding.endswith("; raise its maxmemory, or find out what fills it")


def test_a_redis_that_does_not_say_how_it_is_set_up_is_not_blamed(well, settings, redis):
    redis.acl_setuser("hosted", enabled=True, nopass=True, keys="*", commands=["+@all", "-config"])
    user = redis_py.Redis.from_url(os.environ["REDIS_URL"], username="hosted", password="any", protocol=2)
    assert gather(settings, user).answers.servers["Redis"].persistent is True
    assert facts._takes_snapshots(user) is None
    user.close()
    redis.acl_deluser("hosted")
    silent = dataclasses.replace(well.answers.servers["Redis"], eviction=None, persistent=None)
    assert _of_answers(well, settings, servers={"Redis": silent}) == []


def test_of_a_cluster_each_master_is_looked_at(settings, redis_cluster, worker):
    cluster = connect(redis_cluster, connect_timeout=1, timeout=5)
    cluster.flushall()
    (name, spoilt), *_ = servers(cluster).items()
    spoilt.config_set("appendonly", "no")
    try:
        told = [str(finding) for finding in findings(gather(settings, cluster), settings)]
        assert sorted(gather(settings, cluster).answers.servers) == sorted(
            f"Redis at {each}" for each in servers(cluster)
        )
    finally:
        spoilt.config_set("appendonly", "yes")
    about_servers = [each for each in told if "appendonly" in each or "maxmemory" in each]
    assert about_servers == [
        f"error: Redis at {name} keeps nothing on disk: its restart loses records; set its appendonly yes"
    ]


@pytest.mark.parametrize("arrangement", ["redis_cluster", "redis_sentinel"])
def test_a_redis_of_several_servers_is_no_trouble(settings, arrangement, request):
    client = connect(request.getfixturevalue(arrangement), connect_timeout=1, timeout=5)
    client.flushall()
    answers = gather(settings, client).answers
    assert all(server.persistent and server.eviction == "noeviction" for server in answers.servers.values())
    assert abs(answers.clock_apart) < 1
    assert (answers.status.delivery.accepted, answers.status.workers) == (0, ())
    assert answers.status.redis.used_memory > 0
    assert answers.leases == []


@pytest.mark.parametrize(("version", "found"), [((6, 0), True), ((5, 9), True), ((6, 2), False), ((7, 0), False)])
def test_a_redis_that_is_too_old(well, settings, version, found):
    server = dataclasses.replace(well.answers.servers["Redis"], version=version)
    shown = ".".join(map(str, version))
    wanted = [f"error: Redis is version {shown}; use 6.2 or newer, or Valkey"] if found else []
    assert _of_answers(well, settings, servers={"Redis": server}) == wanted


def test_a_redis_that_is_away(settings):
    with redis_py.Redis(port=1, retry=Retry(NoBackoff(), 0)) as client:
        (finding,) = findings(gather(settings, client), settings)
    assert finding.what.startswith(f"Redis at {settings.redis_url} does not answer: ")
    assert finding.do == "start it, or set REDIS_URL"


def test_a_broker_of_its_own_that_evicts(well, settings, redis, set_up):
    set_up("maxmemory-policy", "volatile-ttl")
    of_its_own = settings.redis.model_copy(update={"broker_url": os.environ["REDIS_URL"].replace("/0", "/1")})
    separate = gather(settings.model_copy(update={"redis": of_its_own}), redis)
    assert separate.answers.broker.eviction == "volatile-ttl"
    (finding,) = _of_answers(well, settings, broker=separate.answers.broker)
    assert finding.startswith(
        "error: the broker's Redis deletes what it holds when memory is short (maxmemory-policy v"
    )


def test_a_broker_that_is_away(settings, told, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
        app._after_fork()  # the pooled connections are forgotten
        found = told()
    app._after_fork()
    assert found[0].startswith(f"error: the broker at {settings.broker_url} does not answer; start it, or set")


@pytest.mark.parametrize(("apart", "wanted"), [(5.0, "5.0 s ahead of"), (-5.0, "5.0 s behind"), (0.5, "")])
def test_a_clock_apart(told, monkeypatch, apart, wanted):
    monkeypatch.setattr(facts, "time", SimpleNamespace(time=lambda: time.time() + apart))
    found = told()
    assert len(found) == bool(wanted)
    assert all(wanted in each and each.startswith("warning: this host's clock is") for each in found)


# -- this host -------------------------------------------------------------------------------------------------------


def test_mistakes_in_the_configuration_and_nobody_to_tell(redis, settings, worker, beat, tmp_path):
    worker()
    (tmp_path / "rules.yml").write_text("groups: [{name: shop, rules: [{alert: A, expr: 'sum('}]}]\n")
    rules = settings.rules.model_copy(update={"files": (tmp_path / "rules.yml",)})
    changed = settings.model_copy(update={"rules": rules, "alerts": AlertSettings()})
    mistake, nobody = findings(gather(changed, redis), changed)
    assert mistake.what.startswith(f"{tmp_path}/rules.yml:1: ")
    assert str(nobody).startswith("warning: nobody is told of alerts; set SLACK_WEBHOOK_URL")


def test_folders_that_cannot_be_written(told, tmp_path):
    for name in ("logs", "data", "spool"):
        (tmp_path / name).write_text("in the way")
    assert [each.split(";")[0] for each in told()] == [
        f"error: LOG_DIR: {tmp_path}/logs is no folder",
        f"error: TOCSIN__DATA_DIR: {tmp_path}/data is no folder",
        f"error: spool: {tmp_path}/spool is no folder",
    ]


def test_a_folder_of_a_file_system_that_is_read_only(tmp_path, monkeypatch):
    """Root may write everywhere else."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert facts._why_unwritable(tmp_path / "logs") == f"{tmp_path} cannot be written"


def test_a_spool_that_others_can_write_to(told, tmp_path):
    (tmp_path / "spool" / "redis").mkdir(parents=True)
    (tmp_path / "spool" / "redis").chmod(0o777)
    (finding,) = told()
    assert finding.startswith(f"error: spool: {tmp_path}/spool/redis is not ours, or others can write to it; make it")


@pytest.mark.parametrize(
    ("total", "room", "producers", "wanted"),
    [
        (63 * MIB, 63 * MIB, 0, "has only 63 MiB"),
        (64 * MIB, 64 * MIB, 0, None),
        (64 * MIB, 64 * MIB, 4, None),
        (64 * MIB, 64 * MIB, 5, "has room for 64 MiB, and 5 processes may need 16 MiB each"),
        (64 * MIB, 15 * MIB, 0, "has room for 15 MiB, and 1 processes may need 16 MiB each"),
    ],
)
def test_a_small_tmpfs(well, settings, total, room, producers, wanted):
    spool = dataclasses.replace(well.host.spool, total=total, room=room, producers=producers)
    found = findings(dataclasses.replace(well, host=dataclasses.replace(well.host, spool=spool)), settings)
    assert [each.severity for each in found] == ["warning"] * bool(wanted)
    assert all(wanted in each.what for each in found)


def test_a_real_tmpfs_that_is_small(told, tmp_path):
    root = tmp_path / "spool" / "redis"
    root.mkdir(parents=True, mode=0o700)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", root], capture_output=True).returncode
    ):
        pytest.skip("only root may mount")
    try:
        assert any("has only 8 MiB" in each for each in told())
    finally:
        subprocess.run([umount, root], check=True)


SPOOLER = """\
import sys, time
from pathlib import Path
from logging_core.buffers.spool import SpoolBuffer
buffer = SpoolBuffer(Path(sys.argv[1]), "shop")
buffer.put(b"{}\\n")
print(buffer.producer, flush=True)
time.sleep(60)
"""


def test_a_spool_whose_process_is_dead(told, redis, tmp_path):
    root = tmp_path / "spool" / "redis"
    command = [sys.executable, "-c", SPOOLER, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        producer = process.stdout.readline().strip()
        os.utime(root / producer, (1, 1))
        assert told() == []
        process.send_signal(signal.SIGKILL)
    (finding,) = told()
    assert finding.startswith(f"warning: 1 dead processes left records in {root}, the oldest ")
    stream.append(redis, producer, "shop")  # Redis heard of it a moment ago
    assert told() == []


def test_a_journal_that_cannot_be_read(told, settings):
    journal = Journal(settings.log_dir, 0.0)
    for ordinal in (1, 2):
        journal.record({}, {"p" * 32: (ordinal, 0.0)})
    journal.close()
    (path,) = settings.log_dir.glob(".tocsin/*.journal")
    assert told() == []
    path.write_bytes(path.read_bytes().replace(b"[1,", b"[7,", 1))
    assert told()[0].startswith(f"error: the journal {path} cannot be read: 1 records are spoilt; check the disk")
    path.unlink()
    path.mkdir()
    assert told()[0].startswith(f"error: the journal {path} cannot be read: Is a directory; ")


# -- the stack -------------------------------------------------------------------------------------------------------


def test_queues_that_nobody_serves(redis, settings, worker, beat):
    worker(QUEUES - {"ingest"})
    assert [str(each) for each in findings(gather(settings, redis), settings)] == [
        "error: no worker serves the queue ingest; start it (`tocsin up`, or `celery -A tasks worker -Q ingest`)"
    ]


def test_a_queue_that_grows(told):
    for _ in range(doctor.LONG + 1):
        app.send_task("tasks.scan.scan", queue="scan")
    assert told() == [
        "warning: 101 tasks wait in the queue scan; give its worker more processes (-c), or start another one"
    ]


@pytest.mark.parametrize("tick", ["1000000000", None])
def test_a_silent_beat(told, redis, tick):
    redis.set(schedule.TICK_KEY, tick) if tick else redis.delete(schedule.TICK_KEY)
    (finding,) = told()
    assert finding.startswith("error: beat has been silent for " if tick else "error: beat has never run; start it")


def test_a_worker_without_canaries(told, redis):
    redis.zadd(canary.ARRIVED_KEY, {"worker@a": redis.time()[0] - 40, "gone@a": 1.0})
    (finding,) = told()
    assert finding.startswith("warning: worker@a has taken no canary for 4")


LEASER = """\
import os, sys, redis
from logging_core.streams.shard import Shard
assert Shard(redis.Redis.from_url(sys.argv[1], protocol=2)).lease(30)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_a_lease_whose_holder_is_dead(told, redis: Redis):
    command = [sys.executable, "-c", LEASER, os.environ["REDIS_URL"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pid = process.stdout.readline().strip()
        assert told() == []
        process.kill()
    (finding,) = told()
    assert f":{pid}, which is dead; it is over by itself in " in finding
    redis.persist(stream.Keys().lease)
    (finding,) = told()
    assert finding.startswith("error: ")
    assert finding.endswith("which is dead; DEL tocsin:{0}:lease")


@pytest.mark.parametrize(("worker_host", "found"), [("far", False), ("near", True)])
def test_a_lease_of_another_host_needs_an_ingest_worker_there(redis, settings, worker, beat, worker_host, found):
    worker(name=f"worker@{worker_host}")
    redis.set(stream.Keys().lease, "nonce|far:7", px=30_000)
    assert bool(findings(gather(settings, redis), settings)) is found


def test_records_that_nobody_writes(told, redis, monkeypatch):
    stream.append(redis, "p" * 32, "shop", count=1, body=b"{}\n", report={"accepted": 1})
    assert told() == []
    monkeypatch.setattr(doctor, "NO_WRITER", 0.0)
    wait_until(told, what="a lag")
    assert "and nobody writes them; see whether an ingest worker runs" in told()[0]
    redis.set(stream.Keys().lease, f"nonce|{os.uname().nodename}:{os.getpid()}")
    assert told() == []
    monkeypatch.setattr(doctor, "SLOW_WRITER", 0.0)
    assert "s behind; see whether the disk of" in told()[0]


# -- the command -----------------------------------------------------------------------------------------------------


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "tocsin", "doctor", *arguments]
    environment = os.environ | {
        "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
        "TOCSIN_CONFIG": os.environ["TOCSIN_CONFIG"],
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_what_was_found_is_a_line_each_or_json_and_the_exit_code_is_1(tmp_path):
    done, as_json = _run(tmp_path), _run(tmp_path, "--json")
    assert (done.returncode, as_json.returncode) == (1, 1)
    assert done.stderr == as_json.stderr == ""
    found = json.loads(as_json.stdout)["findings"]
    assert found[0].keys() == {"severity", "what", "do"}
    said = [f"{each['severity']}: {each['what']}; {each['do']}" for each in found]
    ages = re.compile(r"\d+ s ago")  # of what other programs have left on this machine: seconds go by
    assert [ages.sub("", line) for line in done.stdout.splitlines()] == [ages.sub("", line) for line in said]
    assert "hunter2" not in done.stdout


def test_bad_use_exits_2(tmp_path):
    assert _run(tmp_path, "--xml").returncode == 2


@pytest.mark.stack
def test_a_running_stack_is_well(stack):
    well = (0, "nothing found\n", "")  # not at once where another test has just killed a part of it
    wait_until(lambda: stack.run("doctor") == well, within=PATIENCE, what="the doctor to find nothing")
