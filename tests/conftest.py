"""What every test shares: no network, one thread, quiet logs."""

from __future__ import annotations

import os
import tempfile

from hypothesis import HealthCheck, settings

# Set before any framework is imported: many small tests are faster and repeatable on one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# What exports confirm of user code is kept for the session, not in the home of who runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="pipeline-state-")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# The first draw of a text makes hypothesis' tables of characters: seconds on a busy machine.
settings.register_profile("ours", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
