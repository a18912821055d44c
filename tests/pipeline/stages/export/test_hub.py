"""Without a network, a model that is not in the cache is named, with what to do."""

import pytest

from pipeline.errors import EnvironmentMissingError
from pipeline.stages.export.hub import download


def test_offline_and_not_cached(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EnvironmentMissingError, match="not in the local cache") as caught:
        download("nobody/nothing-by-this-name")
    assert "give the folder" in caught.value.fix
