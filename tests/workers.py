"""How the tests are shared out among processes (`pytest -n 3`): what stands on one costly part stays in one of them."""

import pytest
from xdist.scheduler import LoadScopeScheduling

#: The modules whose tests share the fixture `stack`.
ON_THE_STACK = frozenset(
    {
        "tests/test_docs.py",
        "tests/test_pipeline.py",
        "tests/tocsin/test_doctor.py",
        "tests/tocsin/test_logs.py",
        "tests/tocsin/test_up.py",
    }
)


class Scheduling(LoadScopeScheduling):
    """A module is run by one process, and the whole stack is started by one process."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "the stack" if module in ON_THE_STACK else module


def slow_ones_first(items: list[pytest.Item]) -> None:
    """So that no process is left alone with them in the end; the order is else as it was.

    Raises:
        pytest.UsageError: a module takes `stack` and is not known to.
    """
    items.sort(key=lambda item: item.get_closest_marker("stack") is None)
    taken = {item.nodeid.partition("::")[0] for item in items if "stack" in getattr(item, "fixturenames", ())}
    if unknown := taken - ON_THE_STACK:
        raise pytest.UsageError(f"tests/workers.py: ON_THE_STACK lacks {', '.join(sorted(unknown))}")
