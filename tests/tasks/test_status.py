import json

from tasks import canary, heartbeat, schedule, status, watchdog
from tests.waiting import wait_until


def test_an_empty_redis_has_a_status(redis):
    now = status.gather(redis)
    assert now.beat_tick_age is None
    assert now.evaluation is None
    assert now.workers == ()
    assert (now.scan_events, now.recovery) == ({}, {})


def test_ages_are_told_by_redis_clock(redis):
    seconds, _ = redis.time()
    redis.set(schedule.TICK_KEY, seconds - 60)
    redis.hset(
        "tocsin:{alerts}:evaluate:last",
        mapping={"at": seconds - 30, "duration_ms": 1.5, "rules": 3, "alerts_firing": 2},
    )
    now = status.gather(redis)
    assert 60 <= now.beat_tick_age < 70
    assert 30 <= now.evaluation.age < 40
    assert (now.evaluation.rules, now.evaluation.alerts_firing) == (3, 2)


def test_canaries_of_living_workers_and_exits_are_told(redis):
    seconds, _ = redis.time()
    heart = heartbeat.Heart(heartbeat.Worker("scan@a", 1, ("scan",), 0.0), redis)
    wait_until(lambda: heartbeat.workers(redis))
    redis.zadd(canary.ARRIVED_KEY, {"scan@a": seconds - 20, "gone@a": seconds})
    redis.hincrby(watchdog.EXITS_KEY, "scan", 2)
    now = status.gather(redis)
    heart.stop()
    assert now.canaries.keys() == {"scan@a"}
    assert 20 <= now.canaries["scan@a"] < 30
    assert now.watchdog_exits == {"scan": 2}
    assert now.unserved == ["evaluate", "ingest", "maintain", "notify", "recover"]


def test_a_tick_of_the_future_is_now(redis):
    seconds, _ = redis.time()
    redis.set(schedule.TICK_KEY, seconds + 60)
    assert status.gather(redis).beat_tick_age == 0.0


def test_a_status_is_json(redis):
    redis.hset("tocsin:{0}:scan:events", mapping={"Timeout": 2, "DiskSpace": 1})
    redis.hset("tocsin:{recovery}:outcomes", "healed", 1)
    plain = json.loads(json.dumps(status.gather(redis).as_dict()))
    assert plain["scan"] == {"events": {"DiskSpace": 1, "Timeout": 2}}
    assert plain["recovery"] == {"healed": 1}
    assert plain["dropped"] == {}
