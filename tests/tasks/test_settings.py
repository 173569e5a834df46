"""What an operator sets is checked as a whole."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.settings import CacheFolder, RecoverySettings, ScanSettings, ScanSource


def test_two_cache_folders_of_one_name_are_refused() -> None:
    folders = [CacheFolder(name="thumbs", path=Path("/srv", name), max_bytes=1) for name in ("a", "b")]
    with pytest.raises(ValidationError, match="name repeated: thumbs"):
        RecoverySettings(cache_folders=folders)
    assert RecoverySettings(cache_folders=folders[:1]).cache_folders == (folders[0],)


def test_two_sources_of_one_name_are_refused() -> None:
    sources = [ScanSource(name="shop", paths=[name]) for name in ("a", "b")]
    with pytest.raises(ValidationError, match="name repeated: shop"):
        ScanSettings(sources=sources)
