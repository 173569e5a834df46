from datetime import UTC, datetime

import pytest

from rules.layouts import Layouts, Times


@pytest.fixture
def layouts() -> Layouts:
    """The layouts of a log that ends on 20 February 2026, in UTC."""
    return Layouts(Times(latest=datetime(2026, 2, 20, tzinfo=UTC).timestamp()))
