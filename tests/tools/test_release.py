"""The release tool: what it finds wrong with a wheel, and which line it runs."""

import shlex
import zipfile
from pathlib import Path

import pytest

from tools import release

WANTED = {"pipeline/__init__.py", "pipeline/py.typed", "models/zh_en/weights.safetensors"}
SCRIPT = "[console_scripts]\npipeline = pipeline.cli:main\n"


def wheel(folder, names, script=SCRIPT, size=10):
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "x" * size)
        file.writestr("x-1.dist-info/entry_points.txt", script)
    return path


def test_a_whole_wheel_is_right(tmp_path):
    assert release.faults(wheel(tmp_path, WANTED), WANTED) == []


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (WANTED - {"pipeline/py.typed"}, "pipeline/py.typed is missing"),
        (WANTED | {"training/zh_en/train.py"}, "training/zh_en/train.py does not belong"),
        (WANTED | {"tests/test_x.py"}, "tests/test_x.py does not belong"),
        (WANTED | {"pipeline/old.py"}, "pipeline/old.py does not belong"),
    ],
    ids=["missing", "training", "tests", "stale"],
)
def test_what_is_missing_and_what_does_not_belong(names, fault, tmp_path):
    assert release.faults(wheel(tmp_path, names), WANTED) == [fault]


def test_no_command_and_too_much(tmp_path):
    made = wheel(tmp_path, WANTED, script="[console_scripts]\n", size=release.MOST_BYTES)
    first, second = release.faults(made, WANTED)
    assert first == "the command `pipeline` is not installed"
    assert second.startswith("it has ")


def test_what_belongs_is_what_the_commit_has():
    files = release.tracked()
    assert {"pipeline/py.typed", "pipeline/report/templates/page.html.j2"} <= files
    assert {"models/py.typed", "models/zh_en/weights.safetensors"} <= files
    assert {name.split("/")[0] for name in files} == {"pipeline", "models"}


def test_the_readmes_line_installs_the_wheel_and_nothing_else_changes():
    line, path = release.first_line(), Path("/a b/x-1-py3-none-any.whl")
    made = release.from_wheel(line, path, share=False)
    words, told = shlex.split(line, posix=True), shlex.split(made, posix=True)
    (place,) = (at for at, word in enumerate(words) if word.startswith(".["))
    assert told[place] == f"{path}{words[place][1:]}"
    assert [*told[:place], *told[place + 1 :]] == [*words[:place], *words[place + 1 :]]
    shared = release.from_wheel(line, path, share=True)
    assert shared == made.replace("-m venv", "-m venv --system-site-packages")


@pytest.mark.slow
@pytest.mark.network
def test_the_wheel_of_this_commit_is_whole(tmp_path):
    assert release.faults(release.build(tmp_path), release.tracked()) == []
