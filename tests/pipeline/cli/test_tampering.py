"""Kinds of tampering with an artifact folder: the next reader of each notices, exit 1 or 2.

A forger who makes every digest anew, in the manifest and in all that follow from it, is not among
them: only measuring again finds that one.
"""

import json
import os
import shutil

import pytest

from pipeline.artifacts import digest_file, open_folder, run_stage
from pipeline.cli.app import run
from pipeline.records.engine import EngineRecord
from pipeline.records.parity import ParityRecord
from pipeline.records.perf import PerfRecord
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline.records.judged import FULL_PARITY, parity_record, perf_record, perf_result
from tests.pipeline.records.made import engine_part, engine_record
from tests.pipeline.tasks.folders import folder_for

VARIANT = "ort-cpu-fp32"
GRAPH, PLAIN = f"onnx/model.{VARIANT}.onnx", "onnx/model.exported.onnx"
PLAN, PARITY, PERF = "engine/model.plan", "parity/parity.json", "perf/perf.json"
OPTIMIZE, ENGINE = f"optimize.{VARIANT}", "build-engine.tensorrt-fp16"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A folder with one of everything, which no reader complains about."""
    root = folder_for("embed", tmp_path_factory.mktemp("healthy"))
    optimize_model(OptimizeOptions(root, root))
    folder = open_folder(root)
    graphs = {name: folder.stage(name) for name in ("export", OPTIMIZE)}
    put(folder, "parity", ParityRecord, parity_record(), PARITY, text_of(FULL_PARITY), graphs)
    put(folder, "perf", PerfRecord, perf_record(), PERF, text_of(perf_result()), graphs)
    part = engine_part(PLAN)
    put(folder, ENGINE, EngineRecord, engine_record({"model": part}), PLAN, "p" * 99, {})
    return root


def text_of(result):
    return json.dumps(result.to_json())


def put(folder, stage, kind, record, file, text, parents):
    def produce(context):
        context.path(file).parent.mkdir(exist_ok=True)
        context.path(file).write_text(text)
        return record

    run_stage(folder, stage, {}, parents, produce, kind)


def flipped(name, place=-1):
    def change(root):
        data = bytearray((root / name).read_bytes())
        data[place] ^= 1
        (root / name).write_bytes(data)

    return change


def flipped_in_silence(name):
    """As `flipped`, with size, inode and modification time as they were."""

    def change(root):
        stat = (root / name).stat()
        with (root / name).open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        os.utime(root / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    return change


def edited(name, old, new):
    def change(root):
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def truncated(name):
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-9])


def removed(name):
    return lambda root: (root / name).unlink()


def added(name, text="{}"):
    return lambda root: (root / name).write_text(text)


def told(stage, **changes):
    """Edit a manifest; what it tells of its files fits them, its digest is the old one."""

    def change(root):
        path = root / f"manifest/{stage}.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest |= {name: edit(manifest[name]) for name, edit in changes.items()}
        path.write_text(json.dumps(manifest), encoding="utf-8")

    return change


def swapped(root):
    shutil.copyfile(root / PLAIN, root / GRAPH)


def forged(root):
    """Another graph, with its sha256 and size in the manifest: the digest is that of before."""
    flipped(GRAPH)(root)
    record = {"sha256": digest_file(root / GRAPH), "bytes": (root / GRAPH).stat().st_size}
    fit = lambda files: [f | record if f["path"] == GRAPH else f for f in files]  # noqa: E731
    told(OPTIMIZE, files=fit)(root)


def other_stage(root):
    shutil.copyfile(root / "manifest/parity.json", root / "manifest/perf.json")


def results(root, right=True):
    row = {"name": f"model.{VARIANT}", "precision": "fp32", "ran": True, "device": "cpu",
           "cases": [], "right": right}  # fmt: skip
    content = {"format": 2, "bundle": "b", "artifacts": {}, "when": "w", "machine": {},
               "results": [row]}  # fmt: skip
    (root / "results").mkdir()
    file = root / "results/new.json"
    file.write_text(json.dumps(content))
    return file.replace(file.with_name(f"{digest_file(file)[:12]}.json"))


def results_edited(root):
    edited(results(root, right=False).relative_to(root), '"right": false', '"right": true')(root)


def stats_forged(root):
    """The table of digests says that the flipped file is what it was."""
    flipped(GRAPH)(root)
    stats = json.loads((root / "manifest/.stats.json").read_text())
    stat = (root / GRAPH).stat()
    stats[GRAPH][:3] = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
    (root / "manifest/.stats.json").write_text(json.dumps(stats))


REPORT, TEXT, PACK = ["report"], ["embed"], ["pack"]
KINDS = {
    "weights flipped": (flipped(GRAPH, -200), TEXT),
    "weights flipped, times set back": (flipped_in_silence(GRAPH), TEXT),
    "exported graph flipped": (flipped(PLAIN), TEXT),
    "graph truncated": (truncated(GRAPH), TEXT),
    "graph swapped": (swapped, TEXT),
    "graph removed": (removed(GRAPH), TEXT),
    "settings added beside a graph": (added(f"{GRAPH}.session.json"), TEXT),
    "tokenizer edited": (flipped("tokenizer/tokenizer.json", 40), TEXT),
    "tokenizer file added": (added("tokenizer/chat_template.jinja", "hi"), TEXT),
    "optimize manifest removed": (removed(f"manifest/{OPTIMIZE}.json"), TEXT),
    "export manifest removed": (removed("manifest/export.json"), TEXT),
    "manifest forged with fitting sha256": (forged, TEXT),
    "digests remembered, forged": (stats_forged, TEXT),
    "folder marker of another format": (edited("manifest/folder.json", ": 1", ": 7"), TEXT),
    "graph flipped, packed": (flipped(GRAPH), PACK),
    "exported graph swapped, packed": (flipped(PLAIN), PACK),
    "plan flipped, packed": (flipped(PLAN), PACK),
    "a file of the manifest lies outside": (
        told("export", files=lambda fs: [f | {"path": "../out.onnx"} for f in fs]), PACK),
    "facts edited, packed": (told("export", facts=lambda f: f | {"task": "x"}), PACK),
    "graph flipped, reported": (flipped(GRAPH), REPORT),
    "plan truncated": (truncated(PLAN), REPORT),
    "plan swapped": (added(PLAN, "q" * 99), REPORT),
    "plan's manifest removed": (removed(f"manifest/{ENGINE}.json"), REPORT),
    "graph added": (added("onnx/model.ort-cpu-fp16.onnx"), REPORT),
    "parity.json edited": (edited(PARITY, '"passed": false', '"passed": true'), REPORT),
    "perf.json, speed times 10": (edited(PERF, '"value": 2.0', '"value": 20.0'), REPORT),
    "perf.json truncated": (truncated(PERF), REPORT),
    "parity.json removed": (removed(PARITY), REPORT),
    "parity's manifest removed": (removed("manifest/parity.json"), REPORT),
    "parity's verdict edited in its manifest": (
        told("parity", facts=lambda f: f | {"reference": "another"}), REPORT),
    "perf's manifest is parity's": (other_stage, REPORT),
    "parity's parents edited": (told("parity", parents=lambda p: p | {"export": "x"}), REPORT),
    "recipe edited": (told(OPTIMIZE, ingredients=lambda i: i | {"option opset": 1}), REPORT),
    "key edited": (told("perf", key=lambda _: "k" * 64), REPORT),
    "manifest of deep JSON": (added("manifest/perf.json", "[" * 10**5), REPORT),
    "results of a bundle say wrong": (lambda root: results(root, right=False), REPORT),
    "results of a bundle edited": (results_edited, REPORT),
    "results of deep JSON": (
        lambda root: results(root).write_text("[" * 10**5), REPORT),
}  # fmt: skip


def read(root, command, output):
    words = {"embed": ["a text"], "pack": ["-o", str(output), "--cases", "1"]}
    return run([*command, str(root), *words.get(command[0], [])])


@pytest.mark.parametrize("command", [REPORT, TEXT, PACK], ids=lambda command: command[0])
def test_readers_of_the_healthy_folder_are_content(healthy, tmp_path, command, capsys):
    root = shutil.copytree(healthy, tmp_path / "copy")
    results_good = results(root)
    assert results_good.is_file()
    assert read(root, command, tmp_path / "bundle.tar") == 0, capsys.readouterr()


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_reader_notices(healthy, tmp_path, kind, capsys):
    change, command = KINDS[kind]
    root = shutil.copytree(healthy, tmp_path / "copy")
    change(root)
    code = read(root, command, tmp_path / "bundle.tar")
    printed = capsys.readouterr()
    assert code in (1, 2), printed
    assert "bug" not in printed.err


def test_a_report_that_was_reused_reads_the_claims_again(healthy, tmp_path):
    root = shutil.copytree(healthy, tmp_path / "copy")
    assert run(["report", str(root)]) == 0
    flipped(GRAPH)(root)
    data = root / "data.json"
    assert run(["report", str(root)]) == 1
    told_once = data.read_text().replace('"broken"', '"kept"')
    data.write_text(told_once)
    assert run(["report", str(root)]) == 1


def test_pages_that_were_edited_are_written_again(healthy, tmp_path, capsys):
    root = shutil.copytree(healthy, tmp_path / "copy")
    run(["report", str(root)])
    edited("report.md", "#", "# Forged")(root)
    capsys.readouterr()
    assert run(["report", str(root)]) == 0
    assert "reused" not in capsys.readouterr().out
    assert "Forged" not in (root / "report.md").read_text()
    run(["report", str(root)])
    assert "reused" in capsys.readouterr().out
