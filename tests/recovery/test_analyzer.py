"""`LogAnalyzer` as the document has it: errors from files, the actions against them, and tables that may change."""

import copy
import gzip
import logging
import os
import pickle
import re
import subprocess
import sys
import threading

import pytest

from recovery import ErrorRecoveryMap, LogAnalyzer, LogErrorPattern
from recovery.actions import NAMES
from recovery.errors import UnknownActionError
from recovery.runbook import load_runbooks
from rules.errors import ConfigError
from rules.patterns import load_patterns

#: As the document shows them.
NO_MEMORY = """\
2025-05-17 10:05:00 - visionai_processor - ERROR - Out of memory error occurred during processing
Traceback (most recent call last):
  File "src/core/processor.py", line 120, in process_batch
    result = model.forward(batch)
MemoryError: CUDA out of memory
"""
BAD_MODEL = "2025-05-17 10:10:00 - model_loader - ERROR - Model file corrupt: clips_base.pt checksum mismatch\n"
QUIET = "2025-05-17 10:15:00 - visionai_processor - INFO - timeout=30 configured\n"
NO_SPACE = "2025-05-17 10:20:00 - store - ERROR - [Errno 28] No space left on device\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "system.log"
    path.write_text(QUIET + NO_MEMORY)
    return path


@pytest.fixture(autouse=True)
def _tables(monkeypatch):
    """What a test does to the tables is undone."""
    codes = {type_: list(patterns) for type_, patterns in LogErrorPattern.ERROR_CODES.items()}
    monkeypatch.setattr(LogErrorPattern, "ERROR_CODES", codes)
    actions = {type_: list(names) for type_, names in ErrorRecoveryMap.ACTION_MAP.items()}
    monkeypatch.setattr(ErrorRecoveryMap, "ACTION_MAP", actions)


# -- what the document shows


def test_errors_are_events_with_their_evidence(log):
    (error,) = LogAnalyzer().extract_errors(str(log))
    assert (error.type, error.severity, error.level, error.logger) == (
        "OutOfMemory",
        "critical",
        "ERROR",
        "visionai_processor",
    )
    assert (error.file, error.line, error.offset) == (str(log), 2, len(QUIET))
    assert error.timestamp == "2025-05-17T10:05:00.000000+00:00"
    assert error.message == "Out of memory error occurred during processing"
    assert error.exception == "MemoryError: CUDA out of memory"
    assert [frame.function for frame in error.frames] == ["process_batch"]


def test_scenario_1_the_memory_is_short(log):
    actions = LogAnalyzer().diagnose_from_logs(log)
    assert actions == ["reduce_quant", "clean_cache", "free_gpu_memory"]
    assert "\n".join(f"- {action}" for action in actions) == "- reduce_quant\n- clean_cache\n- free_gpu_memory"
    assert {(cause.type, cause.count, cause.first.line) for action in actions for cause in action.causes} == {
        ("OutOfMemory", 1, 2)
    }
    assert actions.unhealed == ()


def test_scenario_2_a_model_is_corrupt(log):
    log.write_text(BAD_MODEL)
    (error,) = LogAnalyzer().extract_errors(log)
    assert error.type == "ModelCorruption"
    assert LogAnalyzer().diagnose_from_logs(log) == ["restore_backup"]


# -- files


def test_several_files_folders_and_archives_are_read_with_one_call(tmp_path, log):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "system.log.1.gz").write_bytes(gzip.compress(NO_SPACE.encode()))
    for paths in ([tmp_path], (log, str(tmp_path / "old"))):
        assert {error.type for error in LogAnalyzer().extract_errors(paths)} == {"OutOfMemory", "DiskSpace"}


def test_each_action_is_advised_once_for_all_that_call_for_it(log):
    log.write_text(
        NO_SPACE * 3 + NO_MEMORY + NO_SPACE.replace("28", "13").replace("No space left", "Permission denied")
    )
    actions = LogAnalyzer().diagnose_from_logs(log)
    assert sorted(actions) == ["clean_cache", "fix_permissions", "free_gpu_memory", "reduce_quant"]
    causes = {action: [(cause.type, cause.count) for cause in action.causes] for action in actions}
    assert causes["clean_cache"] == [("DiskSpace", 3), ("OutOfMemory", 1)]


def test_nothing_found_is_nothing_to_do(log):
    log.write_text(QUIET)
    assert LogAnalyzer().extract_errors(log) == []
    assert LogAnalyzer().diagnose_from_logs(log) == []


def test_what_no_action_heals_is_told_apart(log):
    log.write_text("2025-05-17 10:20:00 - api - ERROR - connection refused by 10.0.0.7\n")
    actions = LogAnalyzer().diagnose_from_logs(log)
    assert actions == []
    assert [(found.type, found.count) for found in actions.unhealed] == [("ConnectionError", 1)]


def test_a_missing_file_is_named(tmp_path):
    for method in (LogAnalyzer().extract_errors, LogAnalyzer().diagnose_from_logs):
        with pytest.raises(FileNotFoundError, match=r"absent\.log"):
            method(tmp_path / "absent.log")


def test_what_cannot_be_read_to_its_end_is_a_warning(tmp_path, log, caplog):
    packed = gzip.compress((NO_MEMORY * 1000).encode())
    (tmp_path / "half.gz").write_bytes(packed[: len(packed) // 2])
    with caplog.at_level(logging.WARNING, "recovery.analyzer"):
        assert LogAnalyzer().extract_errors(tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "half.gz" in caplog.text


@pytest.mark.parametrize("options", [{"use_mmap": True}, {"processes": 1}, {"processes": 3}])
def test_options_change_nothing_in_what_is_found(log, options):
    assert LogAnalyzer(**options).extract_errors(log) == LogAnalyzer().extract_errors(log)


def test_it_may_be_used_from_several_threads(log):
    found = []
    threads = [threading.Thread(target=lambda: found.append(LogAnalyzer().extract_errors(log))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(errors == found[0] for errors in found)


# -- the tables


def test_the_tables_hold_what_is_shipped():
    assert {each.type: list(each.patterns) for each in load_patterns()} == LogErrorPattern.ERROR_CODES
    assert {type_: list(book.actions) for type_, book in load_runbooks().items()} == ErrorRecoveryMap.ACTION_MAP
    assert len(LogErrorPattern.ERROR_CODES) == len(ErrorRecoveryMap.ACTION_MAP) == 20
    assert {name for names in ErrorRecoveryMap.ACTION_MAP.values() for name in names} == set(NAMES)


def test_a_new_type_and_a_new_pattern_are_taken_at_the_next_call(log):
    analyzer = LogAnalyzer()
    log.write_text("2025-05-17 10:20:00 - shop - ERROR - the till is stuck: code E-17\n")
    assert analyzer.extract_errors(log) == []
    LogErrorPattern.ERROR_CODES["TillStuck"] = [r"\btill is (?:stuck|jammed)\b"]
    ErrorRecoveryMap.ACTION_MAP["TillStuck"] = ["restart_service"]
    (error,) = analyzer.extract_errors(log)
    assert (error.type, error.severity) == ("TillStuck", "error")
    assert analyzer.diagnose_from_logs(log) == ["restart_service"]
    del LogErrorPattern.ERROR_CODES["TillStuck"]
    LogErrorPattern.ERROR_CODES["DiskSpace"].append(r"\bcode E-17\b")
    (error,) = analyzer.extract_errors(log)
    assert (error.type, error.severity) == ("DiskSpace", "critical")


def test_a_replaced_or_emptied_list_is_taken_too(log):
    LogErrorPattern.ERROR_CODES["OutOfMemory"] = [r"\bno match\b"]
    LogErrorPattern.ERROR_CODES["GPUError"] = []
    assert LogAnalyzer().extract_errors(log) == []


def test_a_type_without_an_entry_in_the_map_is_for_people(log):
    del ErrorRecoveryMap.ACTION_MAP["OutOfMemory"]
    actions = LogAnalyzer().diagnose_from_logs(log)
    assert (list(actions), [found.type for found in actions.unhealed]) == ([], ["OutOfMemory"])


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (["fine", "(unclosed"], r"ERROR_CODES: Bad: '\(unclosed'"),
        (["ends in anything.*"], r"ERROR_CODES: Bad: 'ends in anything\.\*'"),
        ("a text", r"ERROR_CODES\['Bad'\]: 'a text' is no list of regular expressions"),
        ([7], r"ERROR_CODES\['Bad'\]: \[7\] is no list of regular expressions"),
        (None, r"ERROR_CODES\['Bad'\]: None is no list of regular expressions"),
        (re.compile("a"), r"ERROR_CODES\['Bad'\]: re\.compile\('a'\) is no list of regular expressions"),
    ],
)
def test_a_bad_pattern_is_named(log, patterns, said):
    LogErrorPattern.ERROR_CODES["Bad"] = patterns
    with pytest.raises(ConfigError, match=said):
        LogAnalyzer().extract_errors(log)


@pytest.mark.parametrize("names", [["reboot"], "clean_cache", [7], None, 7])
def test_an_unknown_action_is_named(log, names):
    ErrorRecoveryMap.ACTION_MAP["OutOfMemory"] = names
    with pytest.raises(UnknownActionError, match=r"OutOfMemory: .* is no list of actions; there are reduce_quant, "):
        LogAnalyzer().diagnose_from_logs(log)


def test_a_path_may_be_bytes(log):
    (error, *_) = LogAnalyzer().extract_errors(os.fsencode(log))
    assert error.file == os.fspath(log)
    assert LogAnalyzer().extract_errors([os.fsencode(log)]) == LogAnalyzer().extract_errors(log)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda advice: pickle.loads(pickle.dumps(advice))])
def test_advice_can_be_handed_to_another_process(log, copied):
    advice = LogAnalyzer().diagnose_from_logs(log)
    other = copied(advice)
    assert (other, other.unhealed) == (advice, advice.unhealed)
    assert [action.causes for action in other] == [action.causes for action in advice]


def test_importing_the_package_reads_no_patterns():
    code = (
        "import recovery, sys; print(sorted({'hyperscan', 'rules.patterns', 'recovery.analyzer'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
