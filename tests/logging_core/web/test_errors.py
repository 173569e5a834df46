import logging

import pytest
from starlette.exceptions import HTTPException
from werkzeug.exceptions import InternalServerError, NotFound

from logging_core.web.errors import error_body, http_status, log_unhandled


class PaymentError(Exception):
    pass


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError


def log(error, quiet=()):
    try:
        raise error
    except type(error) as caught:
        log_unhandled(logging.getLogger("shop.errors"), caught, quiet=quiet, path="/pay", method="POST")


def test_the_record_has_the_request_and_the_stack(records):
    log(PaymentError("card refused"))
    (record,) = records.of("unhandled_exception")
    assert record["level"] == "ERROR"
    assert (record["error_type"], record["error_message"]) == ("PaymentError", "card refused")
    assert (record["path"], record["method"]) == ("/pay", "POST")
    assert record["error"]["type"].endswith("PaymentError")
    assert "raise error" in record["error"]["stack"]
    assert "alert" not in record


@pytest.mark.parametrize("error", [PaymentError(), NotFound(), HTTPException(409)])
def test_what_is_expected_raises_no_alert(records, error):
    log(error, quiet=(PaymentError,))
    (record,) = records.of("unhandled_exception")
    assert record["alert"] is False


def test_an_http_error_of_our_own_raises_one(records):
    log(InternalServerError())
    (record,) = records.of("unhandled_exception")
    assert "alert" not in record


def test_an_exception_without_a_text_is_logged(records):
    log(HostileError())
    (record,) = records.of("unhandled_exception")
    assert record["error_message"] == "<HostileError>"


def test_the_answer_in_production_tells_no_more_than_the_request_id():
    assert error_body(PaymentError("password of root is hunter2"), "r1") == {
        "error": {"type": "InternalServerError", "request_id": "r1"}
    }


def test_the_answer_while_debugging_tells_what_it_was():
    assert error_body(PaymentError("card refused"), "r1", reveal=True) == {
        "error": {"type": "PaymentError", "message": "card refused", "request_id": "r1"}
    }


def test_an_http_error_has_words_for_the_client():
    assert error_body(NotFound("no such order"), "r1") == {
        "error": {"type": "NotFound", "message": "no such order", "request_id": "r1"}
    }
    assert error_body(HTTPException(409, "sold out"), "r1")["error"]["message"] == "sold out"


class UpstreamError(Exception):
    code = status_code = 404


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound(), 404),
        (HTTPException(409), 409),
        (KeyError(), None),
        (UpstreamError(), None),
        (SystemExit(404), None),
    ],
)
def test_the_status_of_an_error_is_what_its_framework_says(error, status):
    assert http_status(error) == status
