"""A digest of every optimized graph, so that a refactoring can show that it changed none.

    python reports/golden/measure.py write OUT.json [--only 'gpt2*']           # the presets
    python reports/golden/measure.py write OUT.json --zoo DIR [--only 'bert*'] # a folder's models
    python reports/golden/measure.py compare BEFORE.json AFTER.json [--only 'gpt2*']

`write` exports the presets (large ones with two thin layers) in each form of cache and optimizes
them for every target, proofs on; with --zoo it optimizes DIR/*/model.onnx instead. The checkout it
runs is the one Python finds first: set PYTHONPATH. `compare` prints one line per difference and
ends with 1 if there is any. Weights are seeded: compare files from one machine and one torch.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

Entries = dict[str, dict[str, Any]]
# What a large preset is cut to. A head stays as wide as it is; where the number of heads is no
# power of two it stays none, as ALiBi's slopes depend on that.
CUT: dict[str, dict[str, int]] = {
    "transformer-base": {"width": 128, "heads": 2, "hidden": 512},
    "transformer-big": {"width": 256, "heads": 4, "hidden": 1024},
    "bert-base": {"width": 192, "heads": 3, "hidden": 768},
    "bert-large": {"width": 256, "heads": 4, "hidden": 1024},
    "gpt2": {"width": 192, "heads": 3, "hidden": 768},
    "llama2-7b": {"width": 512, "heads": 4, "kv_heads": 4, "hidden": 1376},
    "baichuan2-7b": {"width": 512, "heads": 4, "hidden": 1376},
    "baichuan2-13b": {"width": 640, "heads": 5, "hidden": 1712},
}
CAUSAL = {
    "concat": {}, "last": {"logits": "last"}, "none": {"kv_cache": "none"},
    "static": {"kv_cache": "static"}, "static-last": {"kv_cache": "static", "logits": "last"},
}  # fmt: skip
FORMS = {"text-generation": CAUSAL, "translation": {"concat": {}, "none": {"kv_cache": "none"}}}
WHOLE = {"torchscript": {"exporter": "torchscript"}, "float16": {"dtype": "float16"}}
TARGETS = ("onnx", "ort-cpu", "ort-cuda", "tensorrt", "tensorrt-rtx")
PRECISE = (("ort-cpu", "fp16"), ("ort-cuda", "fp16"), ("tensorrt", "fp16"), ("tensorrt", "bf16"))


def light_presets() -> dict[str, Any]:
    """Return every preset by name, large ones with two thin layers and a small vocabulary."""
    from models.presets import PRESETS

    small = {name for name, p in PRESETS.items() if p.folder or name.endswith("-tiny")}
    if PRESETS.keys() - small - CUT.keys():
        raise SystemExit(f"CUT lacks {', '.join(PRESETS.keys() - small - CUT.keys())}")
    light = dict(PRESETS)
    for name, sizes in CUT.items():
        words = ("source_vocab", "target_vocab") if name.startswith("transformer") else ("vocab",)
        cut = {**PRESETS[name].sizes, **sizes, "layers": 2, **dict.fromkeys(words, 101)}
        if PRESETS[name].task == "text-generation":
            cut |= {"bos_id": 1, "eos_id": 2}
        light[name] = replace(PRESETS[name], sizes=MappingProxyType(cut))
    return light


def forms(name: str, preset: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ways a preset is exported: a word for each, and its options."""
    yield from FORMS.get(preset.task, {}).items()
    if preset.task not in FORMS:
        for task in preset.tasks if name not in CUT else preset.tasks[:1]:
            yield task, {"task": task}
    if name not in CUT:
        yield from WHOLE.items()


def presets(only: str) -> Iterator[Entries]:
    """Yield the entries of each preset in each form."""
    import models.presets

    models.presets.PRESETS = MappingProxyType(light_presets())  # read again at every export
    for name, preset in models.presets.PRESETS.items():
        for form, options in forms(name, preset):
            if fnmatch.fnmatch(f"{name} {form}", only):
                with tempfile.TemporaryDirectory() as folder:
                    yield exported_and_optimized(name, form, options, Path(folder))


def exported_and_optimized(name: str, form: str, options: dict, folder: Path) -> Entries:
    """Return one entry per graph: as exported, and for each target and type."""
    from pipeline import ExportOptions, OptimizeOptions, export_model, optimize_model

    entries: Entries = {}
    stages: dict[str, Callable[[], Any]] = {
        "exported": lambda: export_model(ExportOptions(name, folder, **options))
    }
    for target, precision in [*((t, None) for t in TARGETS), *(PRECISE if name not in CUT else ())]:
        wanted = OptimizeOptions(folder, target=target, precision=precision)
        stages[target + (f"-{precision}" if precision else "")] = lambda w=wanted: optimize_model(w)
    for label, stage in stages.items():
        made = attempt(stage, folder)
        if isinstance(made, str):
            entries[f"{name} {form} {label}"] = {"error": made}
            if label == "exported":
                break
            continue
        for part, facts in made.facts["parts"].items():
            entry = attempt(lambda m=made, f=facts: described(m.path(f["file"]), f), folder)
            entries[f"{name} {form} {part} {label}"] = _entry(entry)
    return entries


def zoo(folder: Path, only: str) -> Iterator[Entries]:
    """Yield the entries of each model in a folder."""
    from pipeline import OptimizeOptions, optimize_model

    for path in sorted(folder.glob("*/model.onnx")):
        if not fnmatch.fnmatch(path.parent.name, only):
            continue
        entries: Entries = {}
        for target in ("ort-cpu", "tensorrt"):
            with tempfile.TemporaryDirectory() as temporary:
                wanted = OptimizeOptions(path, Path(temporary) / "made.onnx", target=target)

                def work(wanted: Any = wanted) -> dict[str, Any]:
                    made = optimize_model(wanted)
                    return described(made.file, made.record.to_json())

                entry = attempt(work, Path(temporary))
                entries[f"{path.parent.name} {target}"] = _entry(entry)
        yield entries


def attempt(work: Callable[[], Any], folder: Path) -> Any:
    """Return what `work` returns, or what it failed with, as text that names no folder."""
    try:
        return work()
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:500]}"
        return text.replace(str(folder), "DIR")


def _entry(result: dict[str, Any] | str) -> dict[str, Any]:
    return {"error": result} if isinstance(result, str) else result


def described(path: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must stay the same about one graph and how it was made."""
    import onnx
    from canonical import digest

    model = onnx.load(path)
    ops = operators(model.graph)
    session = path.with_name(path.name + ".session.json")
    entry: dict[str, Any] = {
        "digest": digest(model),
        "inner types": digest(model, types=True),
        "nodes": sum(ops.values()),
        "ops": dict(ops),
        "session": json.loads(session.read_text()) if session.exists() else None,
    }
    return entry | (about_sites(facts["sites"]) if "sites" in facts else {})


def about_sites(sites: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was fused, proven and refused, and a hash of all that is said about it."""
    fused: Counter[str] = Counter()
    proven: Counter[str] = Counter()
    for site in sites:
        kind = f"{site['construct']} {site['lowering']}"
        fused[kind] += site["state"] == "fused"
        proven[kind] += site.get("proof", {}).get("runs", 0)
    left = [site for site in sites if site.get("refusal")]
    refused = Counter(f"{s['construct']} {s['state']}: {s['refusal']['reason']}" for s in left)
    told = [{**site, "proof": site.get("proof", {}).get("ok")} for site in sites]
    text = json.dumps(told, sort_keys=True, default=str)
    return {
        "fused": dict(+fused),
        "runs of proofs": dict(+proven),
        "refused": dict(refused),
        "sites": hashlib.sha256(text.encode()).hexdigest(),
    }


def operators(graph: Any) -> Counter[str]:
    """Return how often each operator occurs in a graph and its subgraphs."""
    found: Counter[str] = Counter()
    for node in graph.node:
        found[f"{node.domain}:{node.op_type}".removeprefix(":")] += 1
        for attribute in node.attribute:
            for body in [*attribute.graphs, *[attribute.g] * attribute.HasField("g")]:
                found += operators(body)
    return found


def differences(before: Entries, after: Entries) -> list[str]:
    """Return one line per difference between two files' entries."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            lines.append(f"{name}: only {'after' if name in after else 'before'}")
            continue
        old, new = before[name], after[name]
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                lines.append(f"{name}: {key}: {_change(old.get(key), new.get(key))}")
    return lines


def _change(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return ", ".join(f"{key} {_change(old.get(key), new.get(key))}" for key in keys)
    return " -> ".join(
        text if len(text) <= 200 else f"{text[:200]}..." for text in (str(old), str(new))
    )


def write(args: argparse.Namespace) -> int | str:
    """Write the file, again after each model, and return 0, or what is wrong."""
    import torch

    import pipeline

    torch.set_num_threads(1)
    print(f"pipeline is {Path(pipeline.__file__).parent}", file=sys.stderr)
    found: Entries = {}
    started = time.monotonic()
    for entries in zoo(args.zoo, args.only) if args.zoo else presets(args.only):
        found |= entries
        args.file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        errors = sum("error" in entry for entry in entries.values())
        done = f"{next(iter(entries))}: {len(entries)} entries, {errors} errors"
        print(f"{time.monotonic() - started:6.0f} s  {done}", flush=True)
    return 0 if found else "no model of that name"


def compare(args: argparse.Namespace) -> int:
    """Print the differences between two files and return 1 if there are any."""
    files = [json.loads(path.read_text()) for path in (args.before, args.after)]
    before, after = (
        {name: file[name] for name in fnmatch.filter(file, f"{args.only} *")} for file in files
    )
    lines = differences(before, after) if before or after else ["there is nothing to compare"]
    print("\n".join(lines) or f"all {len(before)} the same")
    return bool(lines)


def main() -> int | str:
    """Return the exit code, or a message for code 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write")
    writing.add_argument("file", type=Path)
    writing.add_argument("--zoo", type=Path, help="a folder of NAME/model.onnx")
    writing.set_defaults(work=write)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.set_defaults(work=compare)
    for command in (writing, comparing):
        command.add_argument(
            "--only", default="*", help="a pattern for 'PRESET FORM', or for NAME of the zoo"
        )
    args = parser.parse_args()
    return args.work(args)


if __name__ == "__main__":
    sys.exit(main())
