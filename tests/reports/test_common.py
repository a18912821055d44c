"""Tables, and JSON with a line per row."""

import json

from reports.common import keep_raw, publish, table, write_rows


def test_a_table_in_markdown():
    assert table(["a", "b"], [[1, "x"], [2.5, ""]]) == [
        "| a | b |", "| --- | --- |", "| 1 | x |", "| 2.5 |  |",
    ]  # fmt: skip


def test_json_has_a_line_per_row_and_says_the_same(tmp_path):
    rows = [{"name": "é", "value": i / 7} for i in range(20)]
    data = {"rows": rows, "few": [1, 2], "inner": {"rows": rows}, "none": {}}
    write_rows(tmp_path / "x.json", data)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == data
    assert f" {json.dumps(rows[3], ensure_ascii=False)},\n" in text
    assert ' "few": [1, 2],\n' in text


def test_what_is_published_and_what_is_kept_aside(tmp_path):
    publish(tmp_path, [1], "page\n")
    publish(tmp_path, [2], "other\n", "further")
    keep_raw(tmp_path, [3])
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
        "data.json": "[1]\n", "report.md": "page\n", "further.json": "[2]\n",
        "further.md": "other\n", "raw.json": "[3]\n",
    }  # fmt: skip
