"""What container runtimes, and the tools that show their logs, put around each line."""

import json

import pytest

from rules.layouts import Wrapped

NANO, MICRO = "2026-02-19T10:30:00.123456789Z", "2026-02-19T10:30:00.123456+00:00"
WHOLE = "2026-02-19T10:30:00.000000+00:00"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            json.dumps({"log": "ERROR:root:x\n", "stream": "stderr", "time": NANO}),
            ("ERROR:root:x", MICRO, "stderr", False),
        ),
        (
            json.dumps({"log": '{"a": "b"}\r\n', "stream": "stdout", "time": NANO}),
            ('{"a": "b"}', MICRO, "stdout", False),
        ),
        (json.dumps({"log": "a part", "stream": "stdout", "time": NANO}), ("a part", MICRO, "stdout", True)),
        (json.dumps({"log": "\n", "stream": "stdout", "time": NANO}), ("", MICRO, "stdout", False)),
        (f'{{"log":"x\\n","attrs":{{"tag":"a"}},"time":"{NANO}"}}', ("x", MICRO, "", False)),
        (f"{NANO} stderr F   File", ("  File", MICRO, "stderr", False)),
        (f"{NANO} stdout P a part", ("a part", MICRO, "stdout", True)),
        ("2026-02-19T11:30:00+01:00 stdout F:tag x", ("x", WHOLE, "stdout", False)),
        (f"{NANO} stdout F ", ("", MICRO, "stdout", False)),
        (f"{NANO} ValueError: x", ("ValueError: x", MICRO, "", False)),
        ("web-1  | Traceback (most recent call last):", ("Traceback (most recent call last):", "", "web-1", False)),
        ("shop_web_12 |   File", ("  File", "", "shop_web_12", False)),
        ("redis    | 1:M 19 Feb", ("1:M 19 Feb", "", "redis", False)),
        ("web-1  | ", ("", "", "web-1", False)),
        (f"web-1  | {NANO} x", ("x", MICRO, "web-1", False)),
        ("\x1b[36mweb-1  |\x1b[0m x", ("x", "", "web-1", False)),
        ("[pod/web-7d9f/app] x", ("x", "", "pod/web-7d9f/app", False)),
        (f"[pod/web-7d9f/app] {NANO} x", ("x", MICRO, "pod/web-7d9f/app", False)),
        ("[pod/web-7d9f/app]   File", ("  File", "", "pod/web-7d9f/app", False)),
        ("[rank0]: Traceback", ("Traceback", "", "rank0", False)),
        ("[rank12]:   File", ("  File", "", "rank12", False)),
        ("[default0]:x", ("x", "", "default0", False)),
    ],
)
def test_what_is_inside_is_told(layouts, line, wanted):
    content, timestamp, key, partial = wanted
    for end in ("", "\n", "\r\n"):
        assert layouts.unwrap((line + end).encode()) == Wrapped(content.encode(), timestamp, key.encode(), partial)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        '{"level":"ERROR","message":"x"}',
        '{"log":"x"}',
        '{"log":"x","time":"2026',
        '{"log":{"level":"error"},"message":"x"}',
        "ERROR    | shop:create:12 - x",
        "ERROR  | x",
        "id | name",
        "2026-02-19T10:30:00.123456Z ERROR x",
        "2026-02-19 10:30:00,123 ERROR shop x",
        "[2026-02-19 10:30:00 +0000] [7] [ERROR] x",
        "[pod] x",
        "  | ValueError: x",
    ],
)
def test_other_lines_are_wrapped_in_nothing(layouts, line):
    assert layouts.unwrap(line.encode()) is None


def test_a_wrapped_line_is_of_any_layout(layouts):
    inner = {
        "timestamp": "2026-02-19T10:30:00+00:00",
        "level": "ERROR",
        "message": "\x1b[31mboom\x1b[0m",
        "logger": "shop",
    }
    line = json.dumps({"log": json.dumps(inner) + "\n", "stream": "stdout", "time": NANO})
    assert layouts.header(layouts.unwrap(line.encode()).content)[:4] == (WHOLE, "ERROR", "shop", "boom")
