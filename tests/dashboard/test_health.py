import dataclasses

import pytest

from dashboard.health import troubles
from logging_core.streams.account import Account
from tasks.heartbeat import Worker
from tasks.status import Evaluation, RedisServer, Status

WORKERS = (
    Worker(name="ingest@a", pid=1, queues=("ingest",), started=0.0),
    Worker(name="worker@a", pid=2, queues=("evaluate", "maintain", "notify", "recover", "scan"), started=0.0),
)
WELL = Status(
    delivery=Account(0, 0, 0, {}, {}, 0, 0, 0.0, None),
    workers=WORKERS,
    uptime=100.0,
    beat_tick_age=1.0,
    evaluation=Evaluation(age=1.0, duration_ms=1.0, rules=4, alerts_firing=0),
    scan_events={},
    recovery={},
    redis=RedisServer("7.2.4", 0),
)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, []),
        ({"beat_tick_age": 9.9}, []),
        ({"beat_tick_age": 10.6}, ["beat has been silent for 11 s"]),
        ({"beat_tick_age": None}, ["beat has never ticked"]),
        ({"workers": WORKERS[1:]}, ["no worker serves ingest"]),
        ({"workers": ()}, ["no worker serves evaluate, ingest, maintain, notify, recover, scan"]),
        ({"workers": WORKERS[:1], "beat_tick_age": None},
         ["beat has never ticked", "no worker serves evaluate, maintain, notify, recover, scan"]),
        ({"evaluation": None}, ["the rules have never been evaluated"]),
        ({"evaluation": None, "uptime": 59.0}, []),
        ({"evaluation": None, "uptime": None}, []),
        ({"evaluation": dataclasses.replace(WELL.evaluation, age=61.0)}, ["the rules were last evaluated 61 s ago"]),
        ({"evaluation": dataclasses.replace(WELL.evaluation, age=61.0), "uptime": 5.0}, []),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(change, wanted):
    assert troubles(dataclasses.replace(WELL, **change), rules_interval=15.0) == wanted


def test_rules_that_are_slow_by_choice_have_three_intervals():
    late = dataclasses.replace(WELL, uptime=1000.0, evaluation=dataclasses.replace(WELL.evaluation, age=299.0))
    assert troubles(late, rules_interval=100.0) == []
    assert troubles(late, rules_interval=99.0) == ["the rules were last evaluated 299 s ago"]
