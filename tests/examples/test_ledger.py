import json

import pytest

from examples.demo.ledger import Ledger, Written


@pytest.mark.parametrize(
    ("lines", "lost", "duplicated"),
    [
        ([("a", 1), ("a", 2), ("b", 1)], 0, 0),
        ([("a", 1), ("b", 1)], 1, 0),
        ([("a", 1), ("a", 2), ("a", 2), ("b", 1), ("b", 1)], 0, 2),
        ([("a", 2), ("a", 2), ("b", 1)], 1, 1),
        ([("a", 1), ("a", 2), ("b", 1), ("nobody's", 1)], 0, 1),
        ([], 3, 0),
    ],
)
def test_a_record_is_there_once_or_it_is_counted(tmp_path, lines, lost, duplicated):
    ledger = Ledger()
    ledger.note("a", 2)
    ledger.note("b", 1)
    file = tmp_path / "app.log"
    records = [{"request_id": id_, "request_record": number, "process": 7} for id_, number in lines]
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    written = Written.read(file)
    assert (written.lost(ledger.marks), written.duplicated(ledger.marks)) == (lost, duplicated)
