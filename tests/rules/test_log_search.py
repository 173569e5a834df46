import gzip
import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import zstandard

from logging_core.storage.log_files import LogFile
from rules.log_query import Query
from rules.log_search import Search, close, open_sources, stored

BEGIN = datetime(2026, 2, 19, tzinfo=UTC)


def line(number: int, **fields) -> bytes:
    moment = (BEGIN + timedelta(seconds=number)).isoformat(timespec="microseconds")
    return orjson.dumps({"timestamp": moment, "level": "INFO", "n": number} | fields) + b"\n"


def lines(numbers, **fields) -> bytes:
    return b"".join(line(number, **fields) for number in numbers)


@pytest.fixture
def log_dir(tmp_path):
    """Two services, one with two shards, rotated and compressed; and the flat file of another process."""
    shop, mail = tmp_path / "shop", tmp_path / "mail"
    shop.mkdir()
    mail.mkdir()
    (shop / "app.log.3.zst").write_bytes(zstandard.ZstdCompressor().compress(lines(range(0, 100, 4))))
    (shop / "app.log.2.gz").write_bytes(gzip.compress(lines(range(100, 200, 4))))
    (shop / "app.log.1").write_bytes(lines(range(200, 300, 4)))
    (shop / "app.log").write_bytes(lines(range(300, 400, 4)))
    (shop / "app-1.log").write_bytes(lines(range(1, 400, 4)))
    (mail / "app.log").write_bytes(lines(range(2, 400, 4)))
    (tmp_path / "app.log").write_bytes(lines(range(3, 400, 4), service="flat"))
    return tmp_path


class Asked:
    """A query of a folder, and what was told meanwhile."""

    def __init__(self, folder, query=Query(), *, ours=True) -> None:  # noqa: B008
        self.told, self.read = [], []
        self.sources = open_sources(lambda: stored(folder, query, ours=ours), query, self.told.append)
        self._search = Search(self.sources, query, self.told.append, self.read.append)

    def in_order(self):
        return [found.fields["n"] for found in self._search.in_order()]

    def last(self, wanted):
        return [found.fields["n"] for found in self._search.last(wanted)]

    def names(self):
        return sorted(f"{source.series.folder.name}/{source.series.name}" for source in self.sources)


def test_all_generations_of_all_shards_and_services_come_in_order_of_time(log_dir):
    assert Asked(log_dir).in_order() == list(range(400))


def test_a_service_is_its_folder_or_what_flat_records_say(log_dir):
    assert Asked(log_dir, Query(service="mail")).in_order() == list(range(2, 400, 4))
    assert Asked(log_dir, Query(service="flat")).in_order() == list(range(3, 400, 4))
    assert Asked(log_dir, Query(service="absent")).in_order() == []


@pytest.mark.parametrize("wanted", [0, 1, 5, 120, 399, 1000])
def test_the_last_are_the_newest_of_all(log_dir, wanted):
    assert Asked(log_dir).last(wanted) == list(range(400))[400 - min(wanted, 400) :]


def test_the_last_of_one_file_are_read_from_its_end(tmp_path):
    (tmp_path / "app.log").write_bytes(lines(range(60_000)))
    asked = Asked(tmp_path)
    assert asked.last(3) == [59_997, 59_998, 59_999]
    assert sum(asked.read) < (tmp_path / "app.log").stat().st_size / 2


def test_late_records_are_put_in_order(tmp_path):
    numbers = list(range(5000))
    for begin in range(0, 5000, 500):
        numbers[begin : begin + 500] = random.sample(numbers[begin : begin + 500], 500)
    (tmp_path / "app.log").write_bytes(lines(numbers))
    assert Asked(tmp_path).in_order() == list(range(5000))


def test_a_record_without_a_time_comes_behind_the_one_before_it(tmp_path):
    (tmp_path / "app.log").write_bytes(line(1) + b'{"n":"a"}\n' + line(3))
    (tmp_path / "app-1.log").write_bytes(line(2))
    assert Asked(tmp_path).in_order() == [1, "a", 2, 3]
    assert Asked(tmp_path).last(3) == ["a", 2, 3]


def test_files_of_other_times_are_not_read(tmp_path):
    day = 86_400
    for name, number in (("app.log.3", 0), ("app.log.2", 5), ("app.log.1", 10), ("app.log", 15)):
        (tmp_path / name).write_bytes(lines(range(number * day, number * day + 10_000)))
    old = (BEGIN + timedelta(days=4)).timestamp()
    os.utime(tmp_path / "app.log.3", (old, old))
    query = Query(since=BEGIN + timedelta(days=10, seconds=9_998), until=BEGIN + timedelta(days=10, hours=12))
    asked = Asked(tmp_path, query)
    assert asked.in_order() == [10 * day + 9_998, 10 * day + 9_999]
    decoded = [file.path.name for file in asked.sources[0].files if asked._search._may_answer(file)]
    assert decoded == ["app.log.1"]


def test_what_is_late_by_less_than_a_day_is_found_in_files_of_another_time(tmp_path):
    (tmp_path / "app.log.1").write_bytes(line(0))
    (tmp_path / "app.log").write_bytes(line(80_000) + line(100) + line(80_001))
    query = Query(since=BEGIN + timedelta(seconds=50), until=BEGIN + timedelta(seconds=200))
    assert Asked(tmp_path, query).in_order() == [100]


def test_for_errors_and_channels_their_own_files_are_read_where_they_are(tmp_path):
    (tmp_path / "app.log").write_bytes(lines(range(10)) + line(10, level="ERROR") + line(11, channel="audit"))
    assert Asked(tmp_path, Query(level="ERROR")).in_order() == [10]
    assert Asked(tmp_path, Query(channel="audit")).in_order() == [11]
    (tmp_path / "errors.log").write_bytes(line(-5, level="ERROR") + line(10, level="ERROR"))
    (tmp_path / "audit.log").write_bytes(line(-6, channel="audit") + line(11, channel="audit"))
    errors, audit = Asked(tmp_path, Query(level="ERROR")), Asked(tmp_path, Query(channel="audit"))
    assert (errors.names(), errors.in_order()) == ([f"{tmp_path.name}/errors.log"], [-5, 10])
    assert (audit.names(), audit.in_order()) == ([f"{tmp_path.name}/audit.log"], [-6, 11])
    assert Asked(tmp_path, Query(level="WARNING")).names() == [f"{tmp_path.name}/app.log"]
    assert Asked(tmp_path).names() == [f"{tmp_path.name}/app.log"]


def test_a_foreign_folder_is_read_whole(tmp_path):
    (tmp_path / "web.log").write_bytes(line(1))
    (tmp_path / "worker.log").write_bytes(line(2))
    assert Asked(tmp_path, ours=False).in_order() == [1, 2]
    assert Asked(tmp_path).in_order() == []


def test_what_cannot_be_read_is_named_and_the_others_go_on(log_dir):
    (log_dir / "shop/app.log.2.gz").write_bytes(b"\x1f\x8bjunk")
    (log_dir / "mail/app.log").unlink()
    (log_dir / "mail/app.log").symlink_to("/nowhere")
    asked = Asked(log_dir)
    assert len(asked.in_order()) == 400 - 25 - 100
    assert [told.rpartition("/")[2].partition(":")[0] for told in asked.told] == ["app.log", "app.log.2.gz"]


def test_a_rotation_while_files_are_opened_neither_hides_nor_repeats(log_dir, monkeypatch):
    shop = log_dir / "shop"
    moved = []

    class Rotated(LogFile):
        def __init__(self, path):
            if path == shop / "app.log" and not moved:
                moved.append(True)
                for old, new in (("1", "2"), ("", "1")):
                    (shop / f"app.log.{old}".rstrip(".")).rename(shop / f"app.log.{new}")
                (shop / "app.log.2.gz").rename(shop / "app.log.4.gz")
                (shop / "app.log").write_bytes(b"")
            super().__init__(path)

    monkeypatch.setattr("rules.log_search.LogFile", Rotated)
    assert sorted(Asked(log_dir, Query(service="shop")).in_order()) == sorted([*range(0, 400, 4), *range(1, 400, 4)])


def test_what_is_open_is_read_whatever_becomes_of_it(log_dir):
    asked = Asked(log_dir)
    for path in list(log_dir.rglob("*.log*")):
        path.unlink()
    assert asked.in_order() == list(range(400))
    close(asked.sources)


def test_every_combination_finds_what_is_there(log_dir):
    for since, until in ((0, 399), (57, 212), (399, 500)):
        window = Query(since=BEGIN + timedelta(seconds=since), until=BEGIN + timedelta(seconds=until))
        wanted = list(range(since, min(until, 399) + 1))
        assert Asked(log_dir, window).in_order() == wanted
        assert Asked(log_dir, replace(window, service="mail")).last(7) == [n for n in wanted if n % 4 == 2][-7:]
