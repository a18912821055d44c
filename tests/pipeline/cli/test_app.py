"""Exit codes, near misses, and help that names every command without loading it."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from pipeline import errors
from pipeline.cli import app


@pytest.fixture
def command(monkeypatch):
    """Install a command `doctor` whose body the test supplies."""

    def install(body):
        @click.command("doctor")
        @click.option("--json", "as_json", is_flag=True)
        @click.pass_context
        def replacement(ctx, as_json):
            return body(ctx)

        monkeypatch.setattr(app.Commands, "get_command", lambda self, ctx, name: replacement)

    return install


def raiser(error):
    def body(ctx):
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.BadModelError("x"), 2),
        (errors.ExportError("x"), 2),
        (errors.FolderError("x"), 2),
        (errors.EnvironmentMissingError("x"), 3),
        (errors.BuildError("x"), 4),
        (errors.ClaimError("x"), 1),
        (click.UsageError("x"), 2),
        (KeyboardInterrupt(), 130),
        (MemoryError("no room for 64.0 GiB"), 3),
        (SystemExit(0), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_ending_has_its_code_and_no_traceback(command, capsys, error, code):
    command(raiser(error))
    assert app.run(["doctor"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(command, capsys):
    command(raiser(ZeroDivisionError("ours")))
    assert app.run(["doctor"]) == app.OUR_BUG
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "This is a bug in pipeline" in err


def test_a_foreign_exit_names_its_place_and_our_own_passes(command, capsys):
    command(lambda ctx: sys.exit("all is well"))
    assert app.run(["doctor"]) == 2
    err = capsys.readouterr().err
    assert "code that is not ours called sys.exit('all is well')" in err
    assert "test_app.py" in err
    command(raiser(errors.Terminated(143)))
    with pytest.raises(errors.Terminated):
        app.run(["doctor"])


@pytest.mark.parametrize(("given", "code"), [(0, 0), (1, 1), (None, 0)])
def test_a_command_may_return_its_code(command, given, code):
    command(lambda ctx: given)
    assert app.run(["doctor"]) == code


def test_an_error_shows_its_three_parts(command, capsys):
    command(raiser(errors.UsageError("opset 99", where="--opset", fix="18 to 24")))
    app.run(["doctor"])
    err = capsys.readouterr().err
    assert "error: opset 99" in err
    assert "where: --opset" in err
    assert "fix:   18 to 24" in err


def test_an_error_is_json_where_json_was_asked_for(command, capsys):
    command(raiser(errors.UsageError("opset 99", where="--opset", fix="18 to 24")))
    app.run(["doctor", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["exit_code"] == 2
    assert content["error"]["what"] == "opset 99"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["exprot"], "Did you mean 'export'?"),
        (["zzz"], "Try 'pipeline --help'"),
        (["doctor", "--jsn"], "--json"),
        (["--hepl"], "--help"),
    ],
    ids=["command", "nothing-near", "option", "group-option"],
)
def test_near_misses_are_suggested(capsys, words, says):
    assert app.run(words) == 2
    assert says in capsys.readouterr().err


def test_help_names_every_command(capsys):
    assert app.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in app.COMMANDS)
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_has_help_json_and_verbose(capsys, name):
    assert app.run([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert "--verbose" in out
    assert "None" not in out, "a Python word in a help text"


def test_version(capsys):
    assert app.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pipeline, version ")


def test_a_reader_that_goes_away_is_no_failure():
    """What `pipeline ... | head -1` does, with more output than a pipe holds."""
    many = "import sys\nfrom pipeline.cli import app\nimport click\n"
    many += "@click.command('much')\ndef command():\n"
    many += "    for _ in range(100_000):\n        click.echo('line')\n"
    many += "app.Commands.get_command = lambda *_: command\nsys.exit(app.run(['doctor']))"
    child = subprocess.Popen(
        [sys.executable, "-c", many], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "line\n"
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert (child.wait(60), said) == (0, "")


@pytest.mark.parametrize(
    "error", [ImportError("numpy failed to import"), errors.UsageError("not there")]
)
def test_an_interrupt_that_a_library_turned_into_an_error_is_one(
    command, capsys, monkeypatch, error
):
    command(raiser(error))
    monkeypatch.setattr(app, "_SIGNALS", [2])
    assert app.run(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err
