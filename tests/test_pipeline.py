"""The whole way on the running stack: log call, files, Slack, mailbox, scan, recovery; and kills on the way."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from logging_core import RedisStreamHandler
from logging_core.streams.account import account
from logging_core.streams.stream import shard_key
from rules.error_groups import ErrorGroups
from rules.series import TOTAL
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

PRODUCER = """
import logging, random, sys, time
from logging_core import RedisStreamHandler
url, service, name, count, pace, spool = *sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5]), sys.argv[6]
handler = RedisStreamHandler(url, service, spool_dir=spool)
logger = logging.Logger(name)
logger.addHandler(handler)
print("started", flush=True)
for number in range(count):
    logger.info("record", extra={"id": f"{name}-{number}"})
    if number % 100 == 99:
        time.sleep(100 * pace)
written = handler.flush(90, written=True)
print(written, handler.stats()["accepted"], handler.stats()["dropped"], flush=True)
"""


def produce(
    stack: Stack, service: str, name: str, count: int, *, per_second: float, spool: Path
) -> subprocess.Popen[str]:
    arguments = [stack.redis_url, service, name, str(count), str(1 / per_second), str(spool)]
    return subprocess.Popen([sys.executable, "-c", PRODUCER, *arguments], stdout=subprocess.PIPE, text=True)


def ids(stack: Stack, service: str) -> Counter[str]:
    with (stack.log_dir / service / "app.log").open("rb") as file:
        return Counter(json.loads(line)["id"] for line in file)


def seed() -> random.Random:
    number = int(os.environ.get("TOCSIN_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"seed: TOCSIN_TEST_SEED={number}")
    return random.Random(number)


def ingest_processes(stack: Stack) -> list[psutil.Process]:
    main = stack.main_process("ingest")
    return [main, *main.children(recursive=True)] if main else []


def test_every_accepted_record_is_written_exactly_once_while_the_writer_is_killed_at_random(
    stack: Stack, tmp_path: Path
) -> None:
    dice = seed()
    producers = [produce(stack, "killed-writer", f"p{n}", 15_000, per_second=2500, spool=tmp_path) for n in range(2)]
    kills = 0
    while any(producer.poll() is None for producer in producers) and kills < 8:
        time.sleep(dice.uniform(0.1, 0.9))
        if processes := ingest_processes(stack):
            try:
                dice.choice(processes).kill()
                kills += 1
            except psutil.NoSuchProcess:
                pass
    outputs = [producer.communicate(timeout=120)[0].split("\n")[1] for producer in producers]
    assert outputs == ["True 15000 {}"] * 2
    assert kills >= 4
    expected = {f"p{n}-{number}": 1 for n in range(2) for number in range(15_000)}
    assert ids(stack, "killed-writer") == expected


def test_what_a_killed_application_had_accepted_arrives(stack: Stack, tmp_path: Path) -> None:
    dice = seed()
    producer = produce(stack, "killed-app", "p", 1_000_000, per_second=20_000, spool=tmp_path)
    assert producer.stdout
    producer.stdout.readline()
    time.sleep(dice.uniform(0.3, 1.5))
    producer.kill()
    producer.communicate()
    survivor = RedisStreamHandler(stack.redis_url, "killed-app", spool_dir=tmp_path)
    survivor.handle(logging.makeLogRecord({"msg": "alive", "id": "survivor"}))
    wait_until(lambda: one_folder(tmp_path), within=60, what="the adoption")
    assert survivor.flush(30, written=True)
    found = ids(stack, "killed-app")
    survivor.close()
    numbers = sorted(int(name.partition("-")[2]) for name in found if name.startswith("p-"))
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 1000
    assert set(found.values()) == {1}


def one_folder(spool: Path) -> bool:
    """Only the survivor's own folder is left: what was adopted is committed and gone."""
    return len(list(spool.glob("*/*"))) == 1


def test_the_account_of_the_stack_adds_up_and_nothing_is_missing(stack: Stack) -> None:
    wait_until(lambda: account(stack.redis).waiting == 0, within=60, what="everything to be written")
    found = account(stack.redis)
    assert found.accepted == found.written + found.unknown
    assert found.dropped == {}
    delivery = stack.status()
    assert (delivery["accepted"], delivery["written"], delivery["waiting"]) == (found.accepted, found.written, 0)


def test_a_first_error_of_its_kind_reaches_slack_and_the_mailbox_with_its_evidence(stack: Stack) -> None:
    handler = RedisStreamHandler(stack.redis_url, "told")
    logger = logging.getLogger("told")
    logger.addHandler(handler)
    sent = time.time()
    try:
        raise LookupError("no such <order> 4711")
    except LookupError:
        logger.exception("order failed")
    wait_until(
        lambda: [post for post in stack.slack.posts if "LookupError" in json.dumps(post.body)], what="the POST to Slack"
    )
    (post,) = [post for post in stack.slack.posts if "LookupError" in json.dumps(post.body)]
    text = json.dumps(post.body)
    print(f"from the log call to the POST: {(post.at - sent) * 1000:.0f} ms")
    assert "no such &lt;order&gt; 4711" in text or "order failed" in text
    assert "told/app.log" in text
    wait_until(lambda: [mail for mail in stack.mail.mails if "LookupError" in str(mail)], what="the mail")
    handler.close()
    logger.removeHandler(handler)


def test_an_error_that_shall_raise_no_alert_tells_nobody_and_another_does(stack: Stack) -> None:
    handler = RedisStreamHandler(stack.redis_url, "quiet")
    logger = logging.Logger("quiet")  # noqa: LOG001  # of this test alone
    logger.addHandler(handler)
    for number in range(20):
        try:
            raise ConnectionAbortedError("a visitor went away")
        except ConnectionAbortedError:
            logger.exception("no answer was read", extra={"alert": False, "number": number})
    assert handler.flush(30, written=True)
    try:
        raise InterruptedError("the boiler is out")
    except InterruptedError:
        logger.exception("nobody heats")
    wait_until(lambda: posts(stack, "InterruptedError"), what="the POST to Slack")
    time.sleep(2)  # both would be told within a second: a rule on errors is looked at with each commit
    assert posts(stack, "ConnectionAbortedError") == []
    assert [mail for mail in stack.mail.mails if "ConnectionAbortedError" in str(mail)] == []
    (group,) = [each for each in ErrorGroups(stack.redis).top(1000) if each.error_type == "ConnectionAbortedError"]
    assert group.count == 20
    errors = (stack.log_dir / "quiet/errors.log").read_text().splitlines()
    assert [json.loads(line)["error"]["type"] for line in errors].count("ConnectionAbortedError") == 20
    handler.close()


def posts(stack: Stack, text: str) -> list[object]:
    assert stack.slack
    return [post for post in stack.slack.posts if text in json.dumps(post.body)]


def test_records_of_a_channel_are_in_its_file_and_requests_in_series(stack: Stack) -> None:
    handler = RedisStreamHandler(stack.redis_url, "channelled")
    logger = logging.Logger("shop.access")  # noqa: LOG001  # of this test alone
    logger.addHandler(handler)
    said = {"channel": "access", "event": "api_access", "method": "GET", "endpoint": "order"}
    for status in (200, 200, 404):
        logger.info("API access", extra=said | {"status_code": status, "duration_ms": 30, "path": "/order/4711"})
    logger.info("no request", extra={"channel": "../errors"})
    assert handler.flush(30, written=True)
    handler.close()
    records = [json.loads(line) for line in (stack.log_dir / "channelled/access.log").read_text().splitlines()]
    assert [record["status_code"] for record in records] == [200, 200, 404]
    assert sorted(path.name for path in (stack.log_dir / "channelled").iterdir()) == ["access.log", "app.log"]
    labels = 'endpoint="order",method="GET",service="channelled"'
    totals = {text.decode(): float(total) for text, total in stack.redis.hgetall(shard_key(0, TOTAL)).items()}
    assert totals[f'http_requests_total{{{labels},status="200"}}'] == 2
    assert totals[f"http_request_duration_seconds_count{{{labels}}}"] == 3


def test_a_full_disk_in_a_log_is_recognised_and_the_cache_folder_is_cleaned(stack: Stack) -> None:
    for number in range(20):
        file = stack.cache / f"{number:02d}.bin"
        file.write_bytes(b"x" * 10_000)
        os.utime(file, (time.time() - 3600 - number,) * 2)
    wait_until(lambda: list(stack.redis.scan_iter("tocsin:{0}:scan:begun:*:foreign")), what="the first scan")
    with (stack.foreign_log).open("a") as log:
        log.write(
            "2026-01-01 00:00:00 ERROR worker: OSError: [Errno 28] No space left on device: '/etc/../thumb.png'\n"
        )
    wait_until(lambda: sum(f.stat().st_size for f in stack.cache.iterdir()) <= 50_000, within=40, what="the recovery")
    status = stack.status()
    assert status["scan"]["events"]["DiskSpace"] >= 1
    wait_until(lambda: stack.status()["recovery"].get("healed", 0) >= 1, what="the journal's entry")


def test_a_worker_that_is_terminated_finishes_its_commit_and_comes_back(stack: Stack, tmp_path: Path) -> None:
    producer = produce(stack, "terminated", "p", 5000, per_second=2500, spool=tmp_path)
    assert producer.stdout
    producer.stdout.readline()
    main = stack.main_process("ingest")
    assert main
    main.send_signal(signal.SIGTERM)
    output, _ = producer.communicate(timeout=120)
    assert output.split("\n")[0] == "True 5000 {}"
    assert ids(stack, "terminated") == {f"p-{number}": 1 for number in range(5000)}
