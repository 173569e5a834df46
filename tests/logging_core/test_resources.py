import logging
import os
import subprocess
import sys
import threading

import psutil
import pytest

from logging_core import threads
from logging_core.resources import ResourceSampler, sample, start_resource_sampler, stop_resource_sampler
from logging_core.testing import capture_records
from logging_core.web.start import Companions
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _stopped():
    stop_resource_sampler()  # an application of another test may have begun
    yield
    stop_resource_sampler()


def test_a_sample_has_the_host_and_the_process(tmp_path):
    fields = sample(psutil.Process(), str(tmp_path))
    assert fields["process_memory_bytes"] > 1_000_000
    assert fields["process_threads"] >= 1
    assert fields["process_open_files"] >= 3
    assert 0 < fields["disk_percent"] <= 100
    assert {"host_cpu_percent", "host_load_1m", "host_memory_percent", "process_cpu_percent"} <= fields.keys()


def test_what_cannot_be_told_is_left_out():
    fields = sample(psutil.Process(), "/no/such/folder")
    assert "disk_percent" not in fields
    assert "host_memory_percent" in fields


def test_samples_come_at_a_steady_pace_in_the_channel_system():
    with capture_records() as records:
        sampler = start_resource_sampler(0.02, name="shop")
        assert start_resource_sampler(5) is sampler
        wait_until(lambda: len(records.find(event="resource_usage")) >= 3)
    record = records.find(event="resource_usage")[0]
    assert (record["channel"], record["logger"], record["level"]) == ("system", "shop.system", "INFO")


def test_stopped_means_no_thread_is_left():
    start_resource_sampler(60)
    stop_resource_sampler()
    assert not [thread for thread in threading.enumerate() if thread.name == "tocsin-resources"]


@pytest.mark.parametrize("interval", [0, -1])
def test_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(ValueError, match="above 0"):
        ResourceSampler(logging.getLogger(), interval)


def test_a_handler_that_fails_does_not_end_the_sampling(monkeypatch):
    seen = []

    class Failing(logging.Handler):
        def emit(self, record):
            seen.append(record)
            raise RuntimeError

    logger = logging.getLogger("failing.system")
    handler = Failing()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        start_resource_sampler(0.02, name="failing")
        wait_until(lambda: len(seen) >= 2)
    finally:
        stop_resource_sampler()
        logger.removeHandler(handler)


def test_a_forked_process_samples_itself():
    program = """
import logging, os, sys, time
from logging_core import resources
class Tell(logging.Handler):
    def emit(self, record):
        os.write(1, b"%d\\n" % os.getpid())
logging.getLogger().addHandler(Tell())
logging.getLogger().setLevel(logging.INFO)
resources.start_resource_sampler(0.02)
child = os.fork()
time.sleep(0.5)
if child:
    os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert len(set(done.stdout.split())) == 2, done.stderr


def test_without_psutil_the_error_says_what_to_install():
    program = "import sys; sys.modules['psutil'] = None\nimport logging_core.resources"
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True)
    assert "pip install 'tocsin[web]'" in done.stderr


def test_where_no_thread_can_be_had_the_next_request_tries_again(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    companions = Companions("shop", None, 0.02)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        patched.setattr(threads, "_not_before", 0.0)
        companions.start()
        stop_resource_sampler()
        companions.start()
    with capture_records() as records:
        companions.start()
        wait_until(lambda: records.find(event="resource_usage"))


def test_what_goes_wrong_with_companions_is_not_the_requests():
    Companions("shop", None, -1).start()
