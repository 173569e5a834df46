import logging

import pytest

from logging_core.logger import get_logger
from logging_core.web.access import client_address, log_access


def log(**changes):
    request = {"method": "GET", "path": "/orders/7", "endpoint": "order", "status_code": 200, "duration": 0.0123}
    log_access(get_logger("shop.access"), **request | changes)


def test_the_record_has_the_fields_that_series_are_derived_from(records):
    log(user_id=7, ip="192.0.2.1", user_agent="curl/8", request_id="r1")
    record = records.access()
    assert record["message"] == "API access"
    assert (record["logger"], record["channel"], record["level"]) == ("shop.access", "access", "INFO")
    assert (record["method"], record["path"], record["endpoint"]) == ("GET", "/orders/7", "order")
    assert (record["status_code"], record["duration_ms"]) == (200, 12.3)
    assert (record["user_id"], record["ip"], record["user_agent"]) == (7, "192.0.2.1", "curl/8")
    assert record["request_id"] == "r1"
    assert record["request"] == {"method": "GET", "path": "/orders/7", "ip": "192.0.2.1", "user_agent": "curl/8"}


def test_what_no_route_matched_has_one_endpoint(records):
    log(endpoint=None, path="/wp-admin/" + "x" * 5000, user_agent="y" * 5000)
    record = records.access()
    assert record["endpoint"] == "unmatched"
    assert (len(record["path"]), len(record["user_agent"])) == (2048, 512)


def test_a_level_that_the_application_has_set_is_honoured(records):
    logger = logging.getLogger("shop.access")
    logger.setLevel(logging.ERROR)
    try:
        log()
    finally:
        logger.setLevel(logging.NOTSET)
    assert records.all == []


@pytest.mark.parametrize(
    ("forwarded_for", "trusted_proxies", "address"),
    [
        (None, 0, "10.0.0.1"),
        ("203.0.113.9", 0, "10.0.0.1"),  # anybody can send that
        ("203.0.113.9", 1, "203.0.113.9"),
        ("evil, 203.0.113.9", 1, "203.0.113.9"),  # what stands left of our proxy's entry is the client's invention
        ("203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "10.0.0.1"),  # the request came around a proxy
        (None, 1, "10.0.0.1"),
        ("", 1, "10.0.0.1"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("unknown", 1, "10.0.0.1"),
        ("\x1b[2J", 1, "10.0.0.1"),
    ],
)
def test_the_client_is_the_peer_or_what_our_own_proxies_saw(forwarded_for, trusted_proxies, address):
    assert client_address("10.0.0.1", forwarded_for, trusted_proxies) == address
