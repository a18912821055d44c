"""Plain progress, notes and results go where scripts expect them."""

from __future__ import annotations

import json
import logging

from pipeline.cli.console import Console, plain


def test_progress_goes_to_stderr_and_results_to_stdout(capsys):
    with Console() as console:
        console.step("building", 1, 4)
        console.note("a fact")
        console.result(["done"], {"n": 1})
    out = capsys.readouterr()
    assert out.out == "done\n"
    assert out.err.splitlines() == ["  building 1/4", "a fact"]


def test_json_is_all_of_stdout(capsys):
    with Console(as_json=True) as console:
        console.step("working")
        console.result(["done"], {"n": 1, "数": None})
    assert json.loads(capsys.readouterr().out) == {"n": 1, "数": None}


def test_a_count_that_runs_is_not_a_line_each(capsys):
    with Console() as console:
        for done in range(1000):
            console.step("building", done, 1000)
    assert len(capsys.readouterr().err.splitlines()) < 5


def test_verbosity_decides_what_of_the_log_is_shown(capsys):
    log = logging.getLogger("pipeline.somewhere")
    for verbose in range(3):
        with Console(verbose=verbose):
            log.warning("w%d", verbose)
            log.info("i%d", verbose)
            log.debug("d%d", verbose)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["warning: w0", "warning: w1", "i1", "warning: w2", "i2", "d2"]


def test_the_log_is_left_as_it_was():
    logger = logging.getLogger("pipeline")
    handlers = list(logger.handlers)
    with Console():
        pass
    assert logger.handlers == handlers
    assert logger.propagate


def test_a_terminal_gets_a_live_line(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Console() as console:
        console.step("building", 1, 4)
        console.note("[not markup]")
        console.result([], {})


def test_names_from_a_file_cannot_steer_the_terminal(capsys):
    bad = "a\x1b[2J\x07\u202eb\x00"
    with Console() as console:
        console.step(bad)
        console.note(bad)
        console.stream(f"{bad}\n")
        console.result([bad], {})
    out = capsys.readouterr()
    shown = "a\\x1b[2J\\x07\\u202eb\\x00"
    assert out.err.splitlines() == [f"  {shown}", shown]
    assert out.out == f"{shown}\n{shown}\n"


def test_words_of_any_script_stay_as_they_are():
    text = "你好 naïve\n\tx = “1”\u3000🙂"
    assert plain(text) == text
