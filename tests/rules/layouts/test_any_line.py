"""Whatever a line holds: nothing raises, all questions agree, time is bounded, lines before it do not matter."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.layouts import Layouts, Times

LOGHUB = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "loghub"
LATEST = datetime(2026, 2, 20, tzinfo=UTC).timestamp()
MEBIBYTE = 1 << 20

PIECES = [
    b"2026-02-19 10:30:00", b"2026-02-19T10:30:00", b"Feb 19 10:30:00", b"19/Feb/2026:10:30:00", b",123",
    b".123456", b"Z", b" +0000", b" UTC", b" ", b"  ", b"\t", b"[", b"]", b" - ", b" | ", b": ", b":  ", b"ERROR",
    b"error", b"INFO", b"LOG", b"E", b"shop.orders", b"shop", b"[12]", b"(x)", b"<11>", b"1 ", b"web ", b"{", b"}",
    b'"', b"\\", b'{"level":"ERROR"', b'"message":"x"', b'"log":"x"', b",", b"level=", b"=", b"DETAIL",
    b"Traceback", b"\x1b[31m", b"\xff", b"\x00", b"\r", b"rank0", b"NCCL WARN ", b"127.0.0.1", b"stderr F ",
    b"web-1  | ", b"/", b"#", b"*", b"M", b"7",
]  # fmt: skip
lines = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))


@given(st.lists(lines, min_size=1, max_size=4))
def test_nothing_raises_and_all_questions_agree(several):
    layouts = Layouts(Times(latest=LATEST))
    for line in several + several:
        header = layouts.header(line)
        assert layouts.begins(line) == (header is not None)
        assert header == Layouts(Times(latest=LATEST)).header(line)
        if header is not None:
            assert header.timestamp == "" or datetime.fromisoformat(header.timestamp).tzinfo == UTC
            assert header.level in ("", "TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL")
            "".join(header).encode()
        inside = layouts.unwrap(line)
        assert inside is None or len(inside.content) <= 4 * len(line)


@pytest.mark.parametrize("piece", [*PIECES, b"a", b"a ", b"a.", b"[[", b"[a] ", b"a=b ", b'a="', b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    "start", [b"", b"2026-02-19 10:30:00,123 ", b"Feb 19 10:30:00 ", b"<11>1 2026-02-19T10:30:00Z ", b"["]
)
def test_a_mebibyte_of_anything_takes_bounded_time(layouts, piece, start):
    line = start + piece * (MEBIBYTE // len(piece))
    began = time.process_time()
    layouts.header(line)
    layouts.begins(line)
    layouts.unwrap(line)
    assert time.process_time() - began < 0.5


@pytest.mark.skipif(not LOGHUB.is_dir(), reason="needs the loghub data")
@pytest.mark.parametrize(
    ("system", "year", "has_level", "named"),
    [
        ("Android", 2016, True, 2000),
        ("Apache", 2005, True, 0),
        ("Hadoop", 2015, True, 1990),
        ("HDFS", 2008, True, 2000),
        ("Linux", 2005, False, 1999),
        ("OpenSSH", 2017, False, 2000),
        ("Spark", 2017, True, 1995),
        ("Zookeeper", 2015, True, 1700),
    ],
)
def test_eight_real_systems_are_read_whole(system, year, has_level, named):
    layouts = Layouts(Times(latest=datetime(year, 12, 31, tzinfo=UTC).timestamp()))
    text = (LOGHUB / f"{system}_2k.log").read_bytes().rstrip(b"\n").split(b"\n")
    assert len(text) == 2000
    assert all(layouts.begins(line) for line in text)
    headers = [layouts.header(line) for line in text]
    assert {header.timestamp[:4] for header in headers} <= {str(year), str(year + 1)}
    assert all(header.timestamp for header in headers)
    assert {bool(header.level) for header in headers} == {has_level}
    assert sum(1 for header in headers if header.logger) >= named
