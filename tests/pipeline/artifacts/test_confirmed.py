"""Confirmed code is known by name and by every byte of its files."""

import pytest

from pipeline.artifacts.confirmed import confirm, is_confirmed


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in made:
        path.write_text("x = 1\n")
    return made


def test_only_what_was_confirmed_is(files):
    confirm("a.py:build", files)
    assert is_confirmed("a.py:build")
    assert not is_confirmed("a.py:other")


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_change_of_any_file_ends_it(files, change):
    confirm("a.py:build", files)
    if change == "edit":
        files[1].write_text("x = 2\n")
    else:
        files[1].unlink()
    assert not is_confirmed("a.py:build")
    files[1].write_text("x = 1\n")
    assert is_confirmed("a.py:build")


@pytest.mark.parametrize("content", ["", "[]", '{"name": 1}', '{"name": "other", "sources": {}}'])
def test_a_damaged_or_copied_entry_confirms_nothing(files, state, content):
    confirm("a.py:build", files)
    (entry,) = (state / "pipeline" / "confirmed").iterdir()
    entry.write_text(content)
    assert not is_confirmed("a.py:build")


def test_where_nothing_can_be_written_it_is_said(files, state, caplog):
    state.write_text("a file where the folder should be")
    confirm("a.py:build", files)
    assert not is_confirmed("a.py:build")
    assert "cannot be written" in caplog.text
