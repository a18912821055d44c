"""`python -m pipeline` works, and is not led astray by folders named like ours."""

from __future__ import annotations

import subprocess
import sys


def test_it_is_the_command_even_beside_a_users_own_models(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/__init__.py").write_text("raise RuntimeError('not ours')\n")
    words = [sys.executable, "-m", "pipeline", "export", "no-such-model", "-o", "out"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "there is no model 'no-such-model'" in done.stderr
