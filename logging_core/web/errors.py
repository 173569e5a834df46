"""Errors that nobody handled: their record, and the answer to the client."""

import logging
from typing import Any

from logging_core.sanitize import text_of

_MAX_MESSAGE = 1000  #: characters; the whole one is in the record's `error`
#: The frameworks' HTTP errors -> where each has its status. None of them is imported for that.
_HTTP_ERRORS = {
    "werkzeug.exceptions.HTTPException": "code",
    "starlette.exceptions.HTTPException": "status_code",
    "rest_framework.exceptions.APIException": "status_code",
}
Quiet = tuple[type[BaseException], ...]


def log_unhandled(logger: logging.Logger, error: BaseException, *, quiet: Quiet = (), **request: Any) -> None:
    """Log an exception that nobody handled, with the fields of its request (path, method, request_id, ...).

    The record of one that is expected carries `alert: false`: it is kept, and wakes nobody.
    """
    fields = {
        "event": "unhandled_exception",
        "error_type": type(error).__name__,
        "error_message": text_of(error)[:_MAX_MESSAGE],
        **request,
    }
    if is_quiet(error, quiet):
        fields["alert"] = False
    logger.error("Unhandled exception", exc_info=(type(error), error, error.__traceback__), extra=fields)


def is_quiet(error: BaseException, quiet: Quiet) -> bool:
    """Whether it is one of these types, or an HTTP error that is the client's own (4xx)."""
    return isinstance(error, quiet) or 400 <= (http_status(error) or 0) < 500


def http_status(error: BaseException) -> int | None:
    """The status that one of the frameworks' own HTTP errors stands for; a `code` of another may mean anything."""
    for kind in type(error).__mro__:
        attribute = _HTTP_ERRORS.get(f"{kind.__module__}.{kind.__qualname__}")
        if attribute is not None:
            status = getattr(error, attribute, None)
            return status if isinstance(status, int) else None
    return None


def error_body(error: BaseException, request_id: str | None, *, reveal: bool = False) -> dict[str, Any]:
    """The JSON answer: `{"error": {"type", "message", "request_id"}}`.

    An HTTP error's own words are meant for the client. Of any other it is told nothing, unless `reveal` (debugging):
    only the request id, by which the record is found.
    """
    status = http_status(error)
    if status is not None:
        shown = {"type": type(error).__name__, "message": _told(error)}
    elif reveal:
        shown = {"type": type(error).__name__, "message": text_of(error)[:_MAX_MESSAGE]}
    else:
        shown = {"type": "InternalServerError"}
    return {"error": {**shown, "request_id": request_id}}


def _told(error: BaseException) -> str:
    """What an HTTP error says to the client: `description` (Werkzeug) or `detail` (Starlette)."""
    for name in ("description", "detail"):
        words = getattr(error, name, None)
        if isinstance(words, str):
            return words
    return text_of(error)
