"""In eight systems' real logs nothing is reported that a person who reads the line would not call a failure."""

import os
from collections import Counter
from pathlib import Path

import pytest

from rules.patterns import load_patterns
from rules.scanner import Scanner

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).parents[3] / "shared/data")) / "loghub"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the logs are not at {DATA}")

SCANNER = Scanner(load_patterns())
#: System -> (type, a part of the message) -> how often. ZooKeeper's servers cannot reach each other; Hadoop's tasks
#: have no route to a host (FATAL); a daemon of Linux may not write its cache.
FAILURES = {
    "Android": {},
    "Apache": {},
    "HDFS": {},
    "Hadoop": {("ConnectionError", "NoRouteToHostException"): 2},
    "Linux": {("PermissionDenied", "Permission denied in replay cache code"): 8},
    "OpenSSH": {},
    "Spark": {},
    "Zookeeper": {("ConnectionError", "Connection broken for id"): 291, ("ConnectionError", "Cannot open channel"): 86},
}


@pytest.mark.parametrize("system", FAILURES)
def test_what_is_reported_is_a_failure(system: str) -> None:
    events = SCANNER.events((DATA / f"{system}_2k.log").read_bytes())
    known = FAILURES[system]
    told = Counter(next((key for key in known if key == (e.type, key[1]) and key[1] in e.message), e) for e in events)
    assert told == Counter(known)
