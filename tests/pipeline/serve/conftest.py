from __future__ import annotations

import pytest

from tests.pipeline.serve.served import client_of
from tests.pipeline.tasks.folders import folder_for

NAMES = ("generate", "embed", "classify", "rerank", "fill-mask", "zh-en", "translate")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Return a small artifact of each kind, by name."""
    root = tmp_path_factory.mktemp("served")
    return {name: folder_for(name, root) for name in NAMES}


@pytest.fixture(scope="module")  # its threads have to end before another module forks
def client(folders):
    """Return a client of a server of all of them."""
    with client_of(*folders.values()) as made:
        yield made
