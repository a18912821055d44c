"""A user's own files are imported as they would, beside ours, and never instead of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

import models.errors as ours
from pipeline.errors import BadModelError, Terminated, UsageError
from pipeline.stages.export.source import Source, resolve
from pipeline.stages.export.user_code import call_function, no_exit

NET = """
import sys
import torch
from models.parts import WIDTH
from pipeline import NAME
import helper

def make():
    from models import late
    return torch.nn.Linear(WIDTH, WIDTH), NAME, late.VALUE, helper.VALUE

def takes(x, y=1): return x
def leaves(): sys.exit(0)
def breaks(): raise RuntimeError("no weights here\\nsecond line")
"""

DRAWN = """
import random
import numpy
import torch
AT_IMPORT = random.random()
def make(): return AT_IMPORT, random.random(), numpy.random.rand(), torch.rand(()).item()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "net.py": NET,
        "helper.py": "VALUE = 3",
        "models/__init__.py": "",
        "models/parts.py": "WIDTH = 5",
        "models/late.py": "VALUE = 7",
        "pipeline/__init__.py": "NAME = 'theirs'",
        "broken.py": "1 / 0",
        "leaving.py": "raise SystemExit",
        "drawn.py": DRAWN,
        "needy.py": "import not_installed_anywhere\ndef make(): ...",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_their_models_and_pipeline_do_not_meet_ours(project):
    before = {name: sys.modules[name] for name in ("models", "pipeline", "models.errors")}
    result = call_function(resolve(f"{project}/net.py:make"))
    layer, name, late, helper = result.value
    assert (layer.in_features, name, late, helper) == (5, "theirs", 7, 3)
    assert all(sys.modules[name] is module for name, module in before.items())
    assert sys.modules["models.errors"] is ours
    assert str(project) not in sys.path


def test_the_sources_are_their_files_only(project):
    result = call_function(resolve(f"{project}/net.py:make"))
    assert {path.relative_to(project).as_posix() for path in result.sources} == {
        "net.py", "helper.py", "models/__init__.py", "models/parts.py", "models/late.py",
        "pipeline/__init__.py",
    }  # fmt: skip


def test_a_dotted_module_is_found_from_the_working_folder(project, monkeypatch):
    monkeypatch.chdir(project)
    source = Source("function", "net:make", module="net", function="make")
    assert call_function(source).value[3] == 3


@pytest.mark.parametrize(
    ("model", "error", "says", "helps"),
    [
        ("net.py:mkae", UsageError, "no function mkae", "make"),
        ("net.py:takes", UsageError, "needs arguments: x", "defaults"),
        ("net.py:breaks", BadModelError, "RuntimeError: no weights here", "breaks()"),
        ("net.py:leaves", BadModelError, r"leaves\(\) called sys.exit\(0\)", "raise an error"),
        ("leaving.py:make", BadModelError, r"make\(\) called sys.exit\(None\)", "raise an error"),
        ("broken.py:make", BadModelError, "ZeroDivisionError", ""),
        ("needy.py:make", UsageError, "not_installed_anywhere", "install"),
    ],
)
def test_what_goes_wrong_is_named(project, model, error, says, helps):
    with pytest.raises(error, match=says) as caught:
        call_function(resolve(f"{project}/{model}"))
    assert helps in caught.value.fix
    if error is BadModelError:
        assert "line" in caught.value.where


def test_what_a_function_draws_follows_the_seed(project):
    source = resolve(f"{project}/drawn.py:make")
    first = call_function(source, 5).value
    assert call_function(source, 5).value == first
    assert not set(call_function(source, 6).value) & set(first)


def test_a_module_of_theirs_does_not_stand_in_for_one_that_seeding_imports(project):
    """In a process of its own: numpy imports `secrets` once, when its random part is first used."""
    (project / "secrets.py").write_text("raise RuntimeError('theirs')")
    code = (
        "from pipeline.stages.export.source import resolve\n"
        "from pipeline.stages.export.user_code import call_function\n"
        f"call_function(resolve({str(project / 'plain.py')!r} + ':make'))"
    )
    (project / "plain.py").write_text("def make(): return 1")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_our_own_end_on_a_signal_passes():
    with pytest.raises(Terminated), no_exit("the code"):
        raise Terminated(143)
