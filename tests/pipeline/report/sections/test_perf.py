"""Speed on the page: ratios with intervals, medians by job, generation, memory, percentiles."""

from pipeline.report.sections.perf import perf_section
from tests.pipeline.report.cells import captions, details, table_with, texts, told


def test_a_ratio_has_its_interval_and_its_verdict(data):
    first, second, unresolved = table_with(perf_section(told(data)), "99 % interval")
    assert (first["times as fast"], first["99 % interval"]) == ("2.00×", "1.96 – 2.04")
    assert (second["verdict"], second["sessions / rounds"]) == ("faster [good]", "6 / 30")
    assert unresolved["verdict"] == "not resolved [open]", "no claim of equality"


def test_means_over_settings_are_counted(data):
    one, other = table_with(perf_section(told(data)), "mean ratio")
    assert (one["contender"], one["mean ratio"], one["settings"]) == (
        "exported", "2.00×", "1 faster [good]",
    )  # fmt: skip
    assert other["against"] == "eager"


def test_medians_beside_the_first(data):
    step, text = table_with(perf_section(told(data)), "sizes")
    assert (step["job"], step["sizes"]) == ("model step", "batch 1 · seq 1 · past 32")
    assert (step["eager"], step["ort-cpu-fp32"]) == ("4.00 ms", "1.00 ms  (4.00×)")
    assert text["job"] == "generation"


def test_whole_calls_are_told_from_their_parts(data):
    found = told(data).perf.calls_of("generation")
    assert [(row.contender, row.series) for row in found] == [
        ("eager", ""), ("exported", ""), ("ort-cpu-fp32", ""),
    ]  # fmt: skip


def test_generation_is_split_into_first_and_further_tokens(data):
    section = perf_section(told(data))
    first, _, row = table_with(section, "time to first token")
    assert (first["time to first token"], first["in all"]) == ("4.00 ms", "80.0 ms")
    assert row == {
        "contender": "ort-cpu-fp32", "time to first token": "1.00 ms", "per further token":
        "1.00 ms", "tokens/s": "800", "in all": "20.0 ms",
    }  # fmt: skip
    for job in data["perf"]["jobs"]:
        job["tokens"] = None
    assert all("time to first token" not in str(b) for b in perf_section(told(data)).blocks)


def test_what_did_not_run_says_why_beside_what_did(data):
    *ran, absent = table_with(perf_section(told(data)), "what ran")
    assert (ran[0]["what ran"], ran[0]["peak memory of its process"]) == ("x", "1.00 MB")
    assert (absent["precision"], absent["what ran"]) == (
        "not run [open]", "openvino is not installed.",
    )  # fmt: skip


def test_warnings_and_a_failed_gate_come_first(data):
    data["perf"]["gate"] = ["0.98 times eager at worst"]
    section = perf_section(told(data))
    assert texts(section)[:2] == [
        ("The machine was busy.", "open"), ("0.98 times eager at worst", "bad"),
    ]  # fmt: skip


def test_unstable_times_are_marked(data):
    data["perf"]["results"][0]["latency"]["unstable"] = True
    rows = table_with(perf_section(told(data)), "p95")
    assert [row[""] for row in rows[:2]] == ["unstable [open]", ""]
    assert rows[-1]["job"] == "generation (next)"


def test_curves_over_the_batch_need_three_sizes(data):
    assert not any("over the batch" in text for text in captions(perf_section(told(data))))
    job, timing = data["perf"]["jobs"][0], data["perf"]["results"][0]
    for batch in (2, 4):
        name = job["name"].replace("batch=1", f"batch={batch}")
        data["perf"]["jobs"].append(
            {**job, "name": name, "sizes": {**job["sizes"], "batch": batch}}
        )
        for contender in ("eager", "exported", "ort-cpu-fp32"):
            data["perf"]["results"].append({**timing, "job": name, "contender": contender})
    assert "model over the batch." in captions(perf_section(told(data)))


def test_everything_else_is_behind_a_line(data):
    assert details(perf_section(told(data))) == [
        "Every ratio",
        "Percentiles",
        "In the words of trtexec",
    ]
