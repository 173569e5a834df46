"""What failed, by the log files, and what is advised: the scanner and the runbooks as an application calls them."""

import logging
import os
from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import ClassVar

from recovery.diagnosis import Advice, diagnose, found_types
from recovery.error_codes import scanner_of
from recovery.runbook import load_runbooks
from rules.analysis import Analysis, analyze
from rules.event import Event
from rules.patterns import load_patterns
from rules.reading.paths import expand

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

logger = logging.getLogger(__name__)


class LogErrorPattern:
    """By what errors are known."""

    #: Error type -> regular expressions, in the syntax of Hyperscan: PCRE without look-around and references. What is
    #: added, changed or removed holds from the next call on. A new type is an `error`, and goes before
    #: those that ship with Tocsin where both claim a record.
    ERROR_CODES: ClassVar[dict[str, list[str]]] = {each.type: list(each.patterns) for each in load_patterns()}


class ErrorRecoveryMap:
    """What is done about errors."""

    #: Error type -> names of actions, in their order; without any, people are told. Changes hold from the next call on.
    ACTION_MAP: ClassVar[dict[str, list[str]]] = {
        type_: list(runbook.actions) for type_, runbook in load_runbooks().items()
    }


class LogAnalyzer:
    """Finds what failed in log files of any layout, plain or packed.

    Args:
        use_mmap: whether plain files that nobody writes to are mapped into memory; reading them is faster.
        processes: how many scan at once; None for one a core, and one beside other threads.
        zone: of times in a log that do not say theirs.
    """

    def __init__(self, *, use_mmap: bool = False, processes: int | None = None, zone: tzinfo = UTC) -> None:
        self._use_mmap = use_mmap
        self._processes = processes
        self._zone = zone

    def extract_errors(self, path: Path | Iterable[Path]) -> list[Event]:
        """One event for each failure, in the order of their places.

        Args:
            path: of a file or a folder, or of several. A file of which a part cannot be read is a warning in the log
                of this module.

        Raises:
            FileNotFoundError: it is not there.
            ConfigError: an entry of `LogErrorPattern.ERROR_CODES` cannot be used.
        """
        return self._analyzed(path, limit=None).events

    def diagnose_from_logs(self, path: Path | Iterable[Path]) -> Advice:
        """The actions that are advised, in their order, each with the errors that call for it.

        Raises:
            UnknownActionError: `ErrorRecoveryMap.ACTION_MAP` names one.
            FileNotFoundError, ConfigError: as `extract_errors`.
        """
        return diagnose(found_types(self._analyzed(path, limit=0)), ErrorRecoveryMap.ACTION_MAP)

    def _analyzed(self, path: Path | Iterable[Path], limit: int | None) -> Analysis:
        named = [path] if isinstance(path, str | bytes | os.PathLike) else list(path)
        problems: list[OSError] = []
        files = expand([_present(each) for each in named], problems.append)
        analysis = analyze(
            files,
            scanner_of(LogErrorPattern.ERROR_CODES),
            limit=limit,
            processes=self._processes,
            zone=self._zone,
            mmap=self._use_mmap,
        )
        for problem in (*problems, *analysis.problems):
            logger.warning("%s", problem)
        return analysis


def _present(path: Path) -> str:
    os.stat(path)  # noqa: PTH116  # raises what it would
    return os.fsdecode(path)
