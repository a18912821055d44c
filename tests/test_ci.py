"""What runs by itself: .ci/run, the hooks before a commit, and the workflow."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHECKS = ["ruff check .", "ruff format --check .", "mypy",
          "mkdocs build --quiet --strict --site-dir .venv/site"]  # fmt: skip
TOOLS = ("pip", "pytest", "ruff", "mypy", "mkdocs")


@pytest.fixture
def ci(tmp_path):
    """Return a function that runs .ci/run with stand-ins for python3 and what it installs.

    The stand-ins note their words; those named as failing end with that exit code. It returns
    the exit code, what was printed, and the noted commands.
    """

    def called(**failing: int) -> tuple[int, str, list[str]]:
        log, codes = tmp_path / "log", {tool: failing.get(tool, 0) for tool in TOOLS}
        tools = "".join(
            f"cat > $3/bin/{tool} <<'END'\n#!/bin/sh\n"
            f'echo "$0 $*" >> {log}\necho "said by {tool} $PYTEST_ADDOPTS"\nexit {code}\nEND\n'
            f"chmod +x $3/bin/{tool}\n"
            for tool, code in codes.items()
        )
        fake = tmp_path / "python3"
        fake.write_text(f'#!/bin/sh\necho "python3 $*" >> {log}\nmkdir -p $3/bin\n{tools}')
        fake.chmod(0o755)
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        env.pop("PYTEST_ADDOPTS", None)
        ended = subprocess.run(
            [ROOT / ".ci/run"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        noted = re.sub(r"\S*/venv", ".venv", log.read_text()).splitlines()
        return ended.returncode, ended.stdout, [line.rstrip() for line in noted]

    return called


def pieces():
    """Return the README's test command, in the pieces that && joins."""
    command = re.search(r"<!-- command: test -->\n```sh\n(.*)\n```", README)[1]
    return [" ".join(shlex.split(piece)) for piece in command.split(" && ")]


def test_it_runs_the_readmes_command_and_the_checks_between(ci):
    code, said, log = ci()
    *install, tests = pieces()
    assert code == 0
    assert log == [*install, *(f".venv/bin/{check}" for check in CHECKS), tests]
    assert said.splitlines()[-1] == "said by pytest --durations=25 "


@pytest.mark.parametrize(
    ("failing", "code"),
    [({"pytest": 1}, 1), ({"pytest": 5}, 5), ({"ruff": 1}, 1), ({"mypy": 2}, 1), ({"mkdocs": 1}, 1),
     ({"mypy": 1, "pytest": 3}, 3)],
    ids=str,
)  # fmt: skip
def test_tests_run_whatever_a_check_says_and_any_failure_is_one(failing, code, ci):
    ended, said, log = ci(**failing)
    assert ended == code
    assert log[-1] == pieces()[-1]
    assert said.splitlines()[-1].startswith("said by pytest")
    assert ("FAILED: .venv/bin/mypy" in said) == ("mypy" in failing)
    assert ("FAILED: .venv/bin/ruff format --check ." in said) == ("ruff" in failing)


def test_an_installation_that_fails_ends_it(ci):
    code, _, log = ci(pip=7)
    assert code == 7
    assert not any("pytest" in line for line in log)


def test_the_hooks_are_the_checks_with_the_versions_of_the_extra():
    read = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in read["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == [
        "ruff check --force-exclude", "ruff format --force-exclude", "mypy",
    ]  # fmt: skip
    pinned = {pin for pin in PROJECT["optional-dependencies"]["test"] if "==" in pin}
    given = {pin for hook in hooks for pin in hook.get("additional_dependencies", ())}
    given |= {hooks[-1]["name"].replace(" ", "==")}
    assert given == pinned


def test_the_workflow_runs_it_on_every_python_we_name():
    read = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert {"push", "pull_request"} <= read[True].keys()  # YAML 1.1 takes `on` for a boolean
    assert read["permissions"] == {"contents": "read"}
    (job,) = read["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["timeout-minutes"] <= 30
    named = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if ":: 3." in text]
    assert job["strategy"]["matrix"]["python"] == named
    for step in job["steps"]:
        assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a@v1")), step


def test_security_says_what_is_promised():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for heading in ("## What is promised", "## What is not promised", "## Reporting"):
        assert heading in text
    assert "](SECURITY.md)" in README
