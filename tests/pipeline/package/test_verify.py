"""The check of a package runs elsewhere; whatever becomes of it is a verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.package import verify as module
from pipeline.package.verify import verify

RIGHT = {"what": "a", "right": True, "says": ""}
WRONG = {"what": "b", "right": False, "says": "1 instead of 2"}


def package(tmp_path, *lines):
    home = tmp_path / "package" / "check"
    home.mkdir(parents=True)
    (home / "check.py").write_text("\n".join(("import json, os, sys", *lines)))
    return home.parent


def ends(code, findings, **more):
    told = json.dumps(json.dumps({"findings": findings, **more}))
    return f"print('a library talks'); print({told}); sys.exit({code})"


@pytest.mark.parametrize(
    ("line", "right"),
    [
        (ends(0, [RIGHT]), True),
        (ends(1, [RIGHT, WRONG]), False),
        (ends(0, [WRONG]), False),  # whatever the exit code says
        (ends(0, []), False),  # nothing was asked
        (ends(1, [RIGHT]), False),
        (ends(3, [], reason="genai is not installed here"), None),
        ("print('nothing')", False),
        ("raise ValueError('broken')", False),
        ("os.abort()", False),
    ],
)
def test_a_check_ends_in_a_verdict(tmp_path, line, right):
    made = verify(package(tmp_path, line))
    assert made.right is right
    assert made.reason == ("genai is not installed here" if right is None else "")
    if right is False and "raise" in line:
        assert "broken" in made.findings[0].says


def test_it_runs_in_a_copy_without_our_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    says = "os.environ.get('PYTHONPATH', '-')"
    finding = f"dict(what=os.getcwd(), right=True, says={says})"
    made = verify(package(tmp_path, f"print(json.dumps(dict(findings=[{finding}])))"))
    (found,) = made.findings
    assert found.says == "-"
    assert not Path(found.what).is_relative_to(tmp_path)
    assert not Path(found.what).exists()


def test_the_check_is_told_what_it_needs(tmp_path):
    finding = "dict(what=sys.argv[1], right=True, says='')"
    line = f"print(json.dumps(dict(findings=[{finding}])))"
    assert verify(package(tmp_path, line), told=["/js"]).findings[0].what == "/js"


def test_a_python_that_is_not_there_checks_nothing(tmp_path):
    made = verify(package(tmp_path, ends(0, [RIGHT])), tmp_path / "python")
    assert made.right is None
    assert "cannot be run" in made.reason


def test_a_check_that_does_not_end_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT_S", 0.5)
    made = verify(package(tmp_path, "import time; time.sleep(60)"))
    assert (made.right, made.findings[0].says) == (False, "not in 0.5 s")
