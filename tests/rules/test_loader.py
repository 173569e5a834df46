import os
from pathlib import Path

import pytest

from rules.errors import ConfigError
from rules.loader import load_rules

BAD = Path(__file__).parent / "bad"
RULE = "groups[0].rules[0]"
RULEFMT = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "promtool/rulefmt"

MISTAKES = {
    "recording_rule": [f"4: {RULE}.alert: missing", f"4: {RULE}.record: not supported yet"],
    "expression_does_not_parse": [f"5: {RULE}.expr: does not parse: unclosed left parenthesis"],
    "function_not_supported": [f"6: {RULE}.expr: histogram_quantile() is not supported yet"],
    "unknown_keys": [
        f"8: {RULE}.annotation: unknown key",
        "4: groups[0].intervall: unknown key",
        "1: group: unknown key",
    ],
    "keys_not_supported": [
        f"9: {RULE}.keep_firing_for: not supported yet",
        "3: groups[0].limit: not supported yet",
        "4: groups[0].query_offset: not supported yet",
        "5: groups[0].labels: not supported yet",
    ],
    "durations": [
        "3: groups[0].interval: '1.5m' is not a duration such as 1h30m",
        f"7: {RULE}.for: 'soon' is not a duration such as 1h30m",
    ],
    "names": [
        f"8: {RULE}.labels.alertname: a rule may not set this label",
        f"9: {RULE}.labels.is-bad: not a valid name",
        f"11: {RULE}.annotations.a b: not a valid name",
    ],
    "templates": [
        f"7: {RULE}.labels.owner: {{{{ query }}}} is not supported yet",
        f"9: {RULE}.annotations.summary: {{{{ $value | humanizeDuration }}}} is not supported yet",
    ],
    "beyond_the_history": [
        f"5: {RULE}.expr: looks back 6h; only the last 1h of each series is kept",
        "7: groups[0].rules[1].expr: looks back 1h5m; only the last 1h of each series is kept",
        "9: groups[0].rules[2].expr: looks back 1d; only the last 1h of each series is kept",
    ],
    "group_repeated": ["4: groups[2].name: group name repeated in this file"],
    "missing": ["2: groups[0].name: missing", f"3: {RULE}.alert: missing", "4: groups[0].rules[1].expr: missing"],
    "empty": [
        f"5: {RULE}.expr: must be text",
        f"6: {RULE}.for: must be text",
        "7: groups[0].rules[1].alert: String should have at least 1 character",
        "8: groups[0].rules[1].expr: does not parse: no expression found in input",
    ],
    "shape": ["1: groups: Input should be a valid list"],
    "key_repeated": [f"6: {RULE}.expr: key repeated"],
}


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yml")))
def test_a_bad_file_is_refused_with_every_mistake(name: str) -> None:
    path = BAD / f"{name}.yml"
    with pytest.raises(ConfigError) as raised:
        load_rules([path])
    assert str(raised.value).splitlines() == [f"{path}:{mistake}" for mistake in MISTAKES[name]]


def test_the_mistakes_of_all_files_are_listed_together() -> None:
    with pytest.raises(ConfigError) as raised:
        load_rules([BAD / "shape.yml", BAD / "none.yml", BAD / "key_repeated.yml"])
    assert len(raised.value.mistakes) == 3


@pytest.mark.skipif(not RULEFMT.exists(), reason=f"{RULEFMT} is absent")
def test_what_prometheus_refuses_is_refused() -> None:
    bad = sorted(RULEFMT.glob("*.bad.yaml"))
    assert bad
    for path in bad:
        with pytest.raises(ConfigError):
            load_rules([path])


def test_a_good_file_gives_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: g\n  interval: 1m30s\n  rules:\n"
        "  - {alert: A, expr: a > 1, for: 5m, labels: {severity: 2}, annotations: {summary: 'x'}}\n"
        "  - {alert: B, expr: 1}\n"
    )
    (group,) = load_rules([path])
    assert (group.name, group.file, group.interval) == ("g", path, 90)
    first, second = group.rules
    assert (first.name, first.expr, first.hold) == ("A", "a > 1", 300)
    assert (first.labels, first.annotations) == ({"severity": "2"}, {"summary": "x"})
    assert (first.selectors, first.reach) == ({"a"}, 0)
    assert (second.hold, second.labels, second.selectors) == (0, {}, frozenset())


def test_a_rule_may_look_back_as_far_as_the_history(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: g\n  rules:\n"
        "  - {alert: A, expr: 'increase(a[1h]) > 0'}\n"
        "  - {alert: B, expr: 'a > 2 * (a offset 1h)'}\n"
    )
    (group,) = load_rules([path])
    assert [rule.reach for rule in group.rules] == [3600, 3600]


OF_DELIVERY = ["LogDiskFull", "WriterStalled", "RecordsRefused", "RecordsDropped", "RecordsMissing", "RecordsLost"]
OF_REQUESTS = ["HighErrorRate", "HighErrorRatio", "AICallFailure"]
OF_RECORDS = ["HighErrorRate", "NewErrorGroup", "ServiceSilent", "KnownFailure"]


def test_of_no_files_the_shipped_rules_are_loaded() -> None:
    names = [rule.name for group in load_rules() for rule in group.rules]
    assert names == OF_DELIVERY + OF_REQUESTS + OF_RECORDS


def test_the_demos_rules_are_the_shipped_ones_of_records_with_windows_of_seconds() -> None:
    demo = load_rules([Path(__file__).parents[2] / "examples" / "demo-rules.yml"])
    assert [rule.name for group in demo for rule in group.rules] == OF_RECORDS
    assert max(rule.reach for group in demo for rule in group.rules) <= 15
