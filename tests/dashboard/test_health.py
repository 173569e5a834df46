import dataclasses

import pytest

from dashboard.health import troubles
from logging_core.stream import Account
from tasks.heartbeat import Worker
from tasks.status import RedisServer, Status

WORKERS = (
    Worker(name="ingest@a", pid=1, queues=("ingest",), started=0.0),
    Worker(name="worker@a", pid=2, queues=("evaluate", "notify", "recover", "scan"), started=0.0),
)
WELL = Status(
    delivery=Account(0, 0, 0, {}, {}, 0, 0.0, None),
    workers=WORKERS,
    beat_tick_age=1.0,
    evaluation=None,
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
        ({"workers": ()}, ["no worker serves evaluate, ingest, notify, recover, scan"]),
        ({"workers": WORKERS[:1], "beat_tick_age": None},
         ["beat has never ticked", "no worker serves evaluate, notify, recover, scan"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(change, wanted):
    assert troubles(dataclasses.replace(WELL, **change)) == wanted
