"""What an operator sets is checked as a whole."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from rules.errors import ConfigError
from tasks.settings import CacheFolder, RecoverySettings, ScanSettings, ScanSource, load


def test_two_cache_folders_of_one_name_are_refused() -> None:
    folders = [CacheFolder(name="thumbs", path=Path("/srv", name), max_bytes=1) for name in ("a", "b")]
    with pytest.raises(ValidationError, match="name repeated: thumbs"):
        RecoverySettings(cache_folders=folders)
    assert RecoverySettings(cache_folders=folders[:1]).cache_folders == (folders[0],)


def test_two_sources_of_one_name_are_refused() -> None:
    sources = [ScanSource(name="shop", paths=[name]) for name in ("a", "b")]
    with pytest.raises(ValidationError, match="name repeated: shop"):
        ScanSettings(sources=sources)


@pytest.mark.parametrize("name", ["TOCSIN__INGEST__SHARD", "TOCSIN__NOTHING", "TOCSIN__LOG_DIR__FOLDER"])
def test_a_variable_that_names_no_setting_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN__INGEST__SHARDS", "2")
    assert load.__wrapped__().ingest.shards == 2
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match=f"{name}: unknown key"):
        load.__wrapped__()
