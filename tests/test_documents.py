"""The reader of pages fails where a page is wrong."""

from __future__ import annotations

import pytest

from tests import documents
from tests.documents import Reader, blocks_of, commands_in


@pytest.fixture
def follow(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROOT", tmp_path / "root")
    (tmp_path / "root").mkdir()

    def run(text, *, slow=False):
        page = tmp_path / "root" / "page.md"
        page.write_text(text)
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        return Reader(folder).follow(blocks_of(page), slow=slow)

    return run


def test_blocks_share_a_folder_and_a_namespace(follow):
    assert (
        follow(
            "```sh\necho 3 > number\n```\n"
            "```python\nfrom pathlib import Path\nnumber = int(Path('number').read_text())\n```\n"
            "```python\nprint(number + 1)\n```\n```text\n4\n```\n"
        )
        == 3
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```sh\nfalse\necho on\n```\n", "ended with 1, not 0"),
        ("```sh\nfalse | true\n```\n", "ended with 1, not 0"),
        ("<!-- exit: 1 -->\n```sh\ntrue\n```\n", "ended with 0, not 1"),
        ("```sh\necho one two\n```\n```text\none three\n```\n", "'one three' is not in"),
        ("```sh\necho two; echo one\n```\n```text\none\ntwo\n```\n", "'two' is not in"),
        ("```python\nprint(7)\n```\n```text\n8\n```\n", "'8' is not in"),
        ("```sh\necho '1 of 2'\n```\n<!-- figures vary -->\n```text\n1 or 2\n```\n", "is not in"),
        ("```yaml\na: 1\n```\n", "say by a comment"),
        ("<!-- skip: -->\n```sh\nfalse\n```\n", "skip: says why"),
        ("```text\nprinted by nothing\n```\n", "is not in"),
    ],
)
def test_a_page_that_is_wrong_fails(follow, text, told):
    with pytest.raises(AssertionError, match=told):
        follow(text)


def test_python_that_raises_is_shown_by_the_pages_line(follow):
    with pytest.raises(ZeroDivisionError) as caught:
        follow("words\n\n```python\nx = 1\nx / 0\n```\n")
    assert caught.traceback[-1].lineno + 1 == 5


def test_output_may_leave_out_lines_and_parts_of_them(follow):
    follow(
        "```sh\necho took 1.25 s; echo more; echo 'size   10 of 20'\n```\n"
        "```text\ntook ... s\n...\nsize   10 of 20\n```\n"
    )


def test_figures_may_vary_where_the_page_says_so(follow):
    follow(
        "```sh\necho 'error   5.3e-06, 109 nodes -> 51'\n```\n"
        "<!-- figures vary -->\n```text\nerror 1e-5, 200 nodes -> 9.5\n```\n"
    )


def test_what_is_slow_or_skipped_is_left_out(follow):
    text = (
        "<!-- slow -->\n```sh\nfalse\n```\n<!-- slow -->\n```text\nnothing\n```\n"
        "<!-- skip: needs a GPU -->\n```sh\nfalse\n```\n"
    )
    assert follow(text) == 0
    with pytest.raises(AssertionError):
        follow(text, slow=True)


def test_a_file_is_laid_and_must_be_the_repositorys(follow, tmp_path):
    text = "<!-- file: part/a.py -->\n```python\nx = 5\n```\n```sh\ngrep 5 part/a.py\n```\n"
    assert follow(text) == 1
    theirs = tmp_path / "root/part/a.py"
    theirs.parent.mkdir()
    theirs.write_text("x = 6\n")
    with pytest.raises(AssertionError, match=r"part/a\.py"):
        follow(text)


def test_modules_of_a_page_are_forgotten(follow):
    for number in (1, 2):
        follow(
            f"<!-- file: beside.py -->\n```python\nx = {number}\n```\n"
            f"```python\nimport beside\nassert beside.x == {number}\n```\n"
        )


def test_commands_are_found_in_lines_and_lists(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\npipeline a \\\n  b && pipeline c  # why\ncat 'a|b' | pipeline d > e\n```\n"
    )
    assert list(commands_in(blocks_of(page)[0])) == [["a", "b"], ["c"], ["d"]]
