"""How a record is written: the layouts of applications, of servers, and what container runtimes put around lines."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson

#: Every record is first written as of this minute, whose marks are then replaced by those of another one.
MINUTE = datetime(2001, 1, 1)  # noqa: DTZ001  # a log has the time of its host
MARKS = ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%d/%b/%Y:%H:%M", "%Y/%m/%d %H:%M", "%b %e %H:%M", "%d %b %Y %H:%M")
_SYSLOG_SEVERITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class Said(NamedTuple):
    """What a record says, whatever its layout."""

    level: str
    logger: str
    message: str
    stack: str = ""  #: lines of a traceback


class Moment(NamedTuple):
    """A moment in `MINUTE`."""

    milliseconds: int

    def shown(self, form: str) -> str:
        """By a format of `strftime`; `%f` is milliseconds."""
        moment = MINUTE + timedelta(milliseconds=self.milliseconds)
        return moment.strftime(form.replace("%f", f"{moment.microsecond // 1000:03}"))


Layout = Callable[[Moment, Said], str]


def _text(form: str, time: str) -> Layout:
    """A layout of one line, with what is on the stack behind it."""

    def written(moment: Moment, said: Said) -> str:
        line = form.format(
            time=moment.shown(time),
            level=said.level,
            logger=said.logger,
            message=said.message,
            small=said.level.lower(),
        )
        return f"{line}\n{said.stack}\n" if said.stack else f"{line}\n"

    return written


def _syslog(moment: Moment, said: Said) -> str:
    head = f"<{8 + _SYSLOG_SEVERITIES[said.level]}>1 {moment.shown('%Y-%m-%dT%H:%M:%S.%fZ')} web-2 shop 4711 - - "
    return f"{head}{said.level} {said.logger} {said.message}\n" + (f"{said.stack}\n" if said.stack else "")


def _json(moment: Moment, said: Said) -> str:
    """Tocsin's own."""
    fields = {
        "timestamp": moment.shown("%Y-%m-%dT%H:%M:%S.%f123+00:00"),
        "level": said.level,
        "logger": said.logger,
        "message": said.message,
        "module": "views",
        "function": "place",
        "line": 42,
        "process": 4711,
        "service": "shop",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
    if said.stack:
        kind, _, message = said.stack.rpartition("\n")[2].partition(": ")
        fields |= {"error": {"type": kind, "message": message, "stack": said.stack}}
    return _object(fields)


def _structlog(moment: Moment, said: Said) -> str:
    fields = {"event": said.message, "level": said.level.lower(), "logger": said.logger}
    fields |= {"timestamp": moment.shown("%Y-%m-%dT%H:%M:%S.%f123Z")} | (
        {"exception": said.stack} if said.stack else {}
    )
    return _object(fields)


def _json_logger(moment: Moment, said: Said) -> str:
    fields = {"asctime": moment.shown("%Y-%m-%d %H:%M:%S,%f"), "name": said.logger, "levelname": said.level}
    return _object(fields | {"message": said.message} | ({"exc_info": said.stack} if said.stack else {}))


def _object(fields: Mapping[str, object]) -> str:
    return orjson.dumps(fields).decode() + "\n"


#: Those of applications. A traceback in them is lines of text behind the first, or a field of the same line.
PYTHON = _text("{time} - {logger} - {level} - {message}", "%Y-%m-%d %H:%M:%S,%f")
TEXT: tuple[Layout, ...] = (
    PYTHON,
    _text("{time} {level} {logger}: {message}", "%Y-%m-%d %H:%M:%S,%f"),
    _text("{time} | {level:8} | {logger}:place:42 - {message}", "%Y-%m-%d %H:%M:%S.%f"),
    _text("[{time}: {level}/ForkPoolWorker-2] {message}", "%Y-%m-%d %H:%M:%S,%f"),
    _text("[{time}] {level} in views: {message}", "%Y-%m-%d %H:%M:%S,%f"),
    _text("[{time} +0000] [4711] [{level}] {message}", "%Y-%m-%d %H:%M:%S"),
    _text("{time} web-1 shop[4711]: {level} {logger} {message}", "%b %e %H:%M:%S"),
    _syslog,
)
LOGFMT = _text('time={time} level={small} logger={logger} msg="{message}"', "%Y-%m-%dT%H:%M:%SZ")
JSON: tuple[Layout, ...] = (_json, _structlog, _json_logger)
OURS: Layout = _json

#: server -> what stands before what it prints
SERVERS: Mapping[str, tuple[str, str]] = {
    "kernel": ("{} db-1 kernel: [81234.567890] ", "%b %e %H:%M:%S"),
    "systemd": ("{} web-1 systemd[1]: ", "%b %e %H:%M:%S"),
    "cron": ("{} web-1 CRON[4811]: ", "%b %e %H:%M:%S"),
    "postgres": ("{} UTC [2231] ", "%Y-%m-%d %H:%M:%S.%f"),
    "redis": ("31:M {} # ", "%d %b %Y %H:%M:%S.%f"),
    "redis_notice": ("31:M {} * ", "%d %b %Y %H:%M:%S.%f"),
    "nginx_error": ("{} [error] 29#29: ", "%Y/%m/%d %H:%M:%S"),
    "nginx_crit": ("{} [crit] 29#29: *7 ", "%Y/%m/%d %H:%M:%S"),
    "nginx_emerg": ("{} [emerg] 1#1: ", "%Y/%m/%d %H:%M:%S"),
    "gunicorn": ("[{} +0000] [31] [ERROR] ", "%Y-%m-%d %H:%M:%S"),
    "gunicorn_info": ("[{} +0000] [31] [INFO] ", "%Y-%m-%d %H:%M:%S"),
    "gunicorn_critical": ("[{} +0000] [31] [CRITICAL] ", "%Y-%m-%d %H:%M:%S"),
    "celery": ("[{}: ERROR/MainProcess] ", "%Y-%m-%d %H:%M:%S,%f"),
    "celery_info": ("[{}: INFO/MainProcess] ", "%Y-%m-%d %H:%M:%S,%f"),
    "uvicorn": ("INFO:     ", ""),
    "plain": ("", ""),
}


def printed(moment: Moment, server: str, line: str) -> str:
    """A line as a server prints it."""
    head, time = SERVERS[server]
    return f"{head.format(moment.shown(time))}{line}\n"


def access(moment: Moment, request: str) -> str:
    """A line of nginx's access log."""
    return f"10.4.0.17 - - [{moment.shown('%d/%b/%Y:%H:%M:%S')} +0000] {request}\n"


def docker(moment: Moment, text: str) -> str:
    """Each line as Docker's `json-file` driver keeps it."""
    time = moment.shown("%Y-%m-%dT%H:%M:%S.%f456789Z")
    return "".join(_object({"log": f"{line}\n", "stream": "stderr", "time": time}) for line in text.splitlines())


def cri(moment: Moment, text: str) -> str:
    """Each line as containerd and CRI-O keep it."""
    time = moment.shown("%Y-%m-%dT%H:%M:%S.%f456789Z")
    return "".join(f"{time} stderr F {line}\n" for line in text.splitlines())


def compose(_moment: Moment, text: str) -> str:
    """Each line as `docker compose logs` shows it."""
    return "".join(f"web-1  | {line}\n" for line in text.splitlines())


CONTAINERS: Mapping[str, Callable[[Moment, str], str]] = {"docker": docker, "cri": cri, "compose": compose}
