"""Packages of real and tiny models, loaded by their own runtimes, whole and damaged.

    python -m reports.packages.measure WORK --optimum PYTHON --genai PYTHON --triton PYTHON \\
        --transformers-js FOLDER

PYTHON is the interpreter of an environment with optimum-onnx and sentence-transformers, of one with
onnxruntime-genai, and of one with tritonclient, nvidia-pytriton, onnxruntime and tokenizers; FOLDER
holds the node_modules with @huggingface/transformers. Writes data.json and report.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pipeline
from pipeline.package.verify import verify
from reports.common import publish, table
from reports.decode.prepare import dequantize
from tests.real_checkpoints import minilm

HERE = Path(__file__).resolve().parent
FORMATS = ("optimum", "genai", "transformers-js", "triton")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    for name in FORMATS:
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    places = {name: getattr(given, name.replace("-", "_")) for name in FORMATS}
    rows = []
    for name, folder in artifacts(given.work).items():
        for form in FORMATS:
            rows.append(packaged(name, folder, form, given.work / f"{form}-{name}", places[form]))
            print(rows[-1], flush=True)
    broken = []
    for name, form, what, damage in DAMAGES:
        whole, copy = given.work / f"{form}-{name}", given.work / "damaged"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        damage(copy)
        verdict = verify(copy, *((None, [str(places[form])]) if form == JS else (places[form],)))
        wrong = [one for one in verdict.findings if one.right is False]
        answers = [one for one in wrong if one.what != "files"]
        first = (answers or wrong or [None])[0]
        broken.append({"package": f"{name}, {form}", "damage": what,
                       "caught": verdict.right is False, "by answers": bool(answers),
                       "says": f"{first.what}: {first.says}"[:160] if first else ""})  # fmt: skip
        print(broken[-1], flush=True)
    data = {"packages": rows, "damages": broken}
    publish(HERE, data, page(data))


def artifacts(work: Path) -> dict[str, Path]:
    """Return the artifact of each model, exported and optimized where it is not there yet."""
    checkpoint = work / "checkpoint"
    if not (checkpoint / "config.json").exists():
        dequantize(checkpoint)
    sources: dict[str, Any] = {"zh-en": "zh-en", "MiniLM": minilm(), "SmolLM2-135M": checkpoint}
    sources |= {name: tiny(name, work / f"checkpoint-{name}") for name in TINY}
    found = {}
    for name, source in sources.items():
        found[name] = folder = work / f"artifact-{name}"
        if not (folder / "manifest").exists():
            pipeline.export_model(pipeline.ExportOptions(str(source), folder))
            pipeline.optimize_model(pipeline.OptimizeOptions(folder, folder, "ort-cpu"))
    return found


def tiny(name: str, folder: Path) -> Path:
    """Return the folder of a small model with random weights."""
    if not folder.exists():
        import torch

        torch.manual_seed(0)
        TINY[name]().save_pretrained(folder)
        if name != "tiny ViT":
            for file in minilm().glob("*token*.json"):
                shutil.copyfile(file, folder / file.name)
            shutil.copyfile(minilm() / "vocab.txt", folder / "vocab.txt")
    return folder


def reranker() -> Any:
    import transformers as t

    labels = {"num_labels": 1, "id2label": {0: "relevance"}}
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return t.BertForSequenceClassification(
        t.BertConfig(vocab_size=30522, intermediate_size=96, **sizes, **labels)
    )


def t5() -> Any:
    import transformers as t

    return t.T5ForConditionalGeneration(
        t.T5Config(vocab_size=30522, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4,
                   decoder_start_token_id=0)
    )  # fmt: skip


def vit() -> Any:
    import transformers as t

    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return t.ViTForImageClassification(
        t.ViTConfig(intermediate_size=96, image_size=32, patch_size=8, num_labels=5, **sizes)
    )


TINY: dict[str, Callable[[], Any]] = {
    "tiny reranker": reranker, "tiny T5": t5, "tiny ViT": vit,
}  # fmt: skip


def packaged(name: str, folder: Path, form: str, output: Path, place: Path) -> dict[str, Any]:
    shutil.rmtree(output, ignore_errors=True)
    where = {"node_modules": place} if form == JS else {"python": {form: place}}
    options = pipeline.PackageOptions(folder, output, form, **where)
    try:
        (made,) = pipeline.package_folder(options).packages
    except pipeline.UsageError as error:
        return {"model": name, "format": form, "made": False, "says": error.what}
    found = made.verdict.findings
    wrong = [f"{one.what}: {one.says}" for one in found if one.right is False]
    missed = [one.what for one in found if one.right is None]
    asked = len(found) - len(missed)
    says = wrong[0] if wrong else made.verdict.reason or f"{asked} of {asked} answers right"
    says += f"; not here: {', '.join(missed)}" if missed else ""
    return {"model": name, "format": form, "made": True, "right": made.verdict.right,
            "mb": round(made.size_bytes / 1e6, 1), "says": says}  # fmt: skip


def edited(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Return a damage: a JSON file of the package, changed."""

    def damage(folder: Path) -> None:
        told = json.loads((folder / name).read_text())
        change(told)
        (folder / name).write_text(json.dumps(told))

    return damage


def swapped_caches(told: Any) -> None:
    inputs = told["model"]["decoder"]["inputs"]
    inputs["past_key_names"], inputs["past_value_names"] = (
        inputs["past_value_names"], inputs["past_key_names"],
    )  # fmt: skip


def decoder_inputs(told: Any) -> dict[str, Any]:
    found: dict[str, Any] = told["model"]["decoder"]["inputs"]
    return found


def without_data(folder: Path) -> None:
    next(file for ending in ("data", "onnx_data") for file in folder.rglob(f"*.{ending}")).unlink()


def replaced(name: str, one: str, other: str) -> Callable[[Path], None]:
    """Return a damage: a text of the package, changed in one place."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert one in text, f"{name} has no {one}"
        (folder / name).write_text(text.replace(one, other, 1))

    return damage


def renamed(one: str, other: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / one).rename(folder / other)

    return damage


def other_batch(folder: Path) -> None:
    """Give the batch of every value another name."""
    import onnx

    path = folder / "onnx/model.onnx"
    model = onnx.load(path, load_external_data=False)
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_param = dim.dim_param.replace("batch_size", "batch")
    path.write_bytes(model.SerializeToString())


def flipped(folder: Path) -> None:
    data = next(folder.glob("*.data"))
    with data.open("r+b") as stream:
        stream.seek(data.stat().st_size // 2)
        stream.write(bytes(4096))


def other_tokenizer(told: Any) -> None:
    vocabulary = told["model"]["vocab"]
    names = sorted(vocabulary, key=vocabulary.get)[1000:]
    for one, other in zip(names[::2], names[1::2], strict=False):
        vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]


def without(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def other_pooling(told: Any) -> None:
    told.update(pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)


def one_layer_less(folder: Path, name: str = "model.onnx") -> None:
    """Let the last attention's output be dropped: its residual sum gets it times zero."""
    import numpy as np
    import onnx

    model = onnx.load(folder / name, load_external_data=False)
    node = [n for n in model.graph.node if "Attention" in n.op_type or n.op_type == "MatMul"][-1]
    made = node.output[0]
    node.output[0] = f"{made}.whole"
    zero = onnx.numpy_helper.from_array(np.zeros((), np.float32), "nothing")
    model.graph.initializer.append(zero)
    place = list(model.graph.node).index(node) + 1
    times = onnx.helper.make_node("Mul", [f"{made}.whole", "nothing"], [made])
    model.graph.node.insert(place, times)
    onnx.save(model, folder / name)


M, S, Z, JS = "MiniLM", "SmolLM2-135M", "zh-en", "transformers-js"
TWIN = "models/twin/1"
DAMAGES: tuple[tuple[str, str, str, Callable[[Path], None]], ...] = (
    (M, "optimum", "data file missing", without_data),
    (M, "optimum", "4 KiB of weights zeroed", flipped),
    (M, "optimum", "tokenizer with other ids", edited("tokenizer.json", other_tokenizer)),
    (M, "optimum", "tokenizer missing", without("tokenizer.json")),
    (M, "optimum", "pooling left out", without("1_Pooling")),
    (M, "optimum", "another pooling", edited("1_Pooling/config.json", other_pooling)),
    (M, "optimum", "Normalize left out", edited("modules.json", lambda told: told.pop())),
    (M, "optimum", "a product dropped", one_layer_less),
    (M, "optimum", "model type of another family",
     edited("config.json", lambda told: told.update(model_type="gpt2"))),
    (M, "optimum", "half as long texts",
     edited("sentence_bert_config.json", lambda told: told.update(max_seq_length=6))),
    (S, "optimum", "another end mark",
     edited("generation_config.json", lambda told: told.update(eos_token_id=7))),
    (S, "optimum", "a penalty added",
     edited("generation_config.json", lambda told: told.update(no_repeat_ngram_size=2))),
    (S, "genai", "another end mark",
     edited("genai_config.json", lambda told: told["model"].update(eos_token_id=7))),
    (S, "genai", "keys and values swapped", edited("genai_config.json", swapped_caches)),
    (S, "genai", "wrong name of an input",
     edited("genai_config.json", lambda told: decoder_inputs(told).update(input_ids="ids"))),
    (S, "genai", "half the layers",
     edited("genai_config.json", lambda told: told["model"]["decoder"].update(
         num_hidden_layers=15))),
    (S, "genai", "data file missing", without_data),
    (S, "genai", "tokenizer with other ids", edited("tokenizer.json", other_tokenizer)),
    (S, "genai", "a product dropped", one_layer_less),
    (M, JS, "data file missing", without_data),
    (M, JS, "data file under its own name",
     renamed("onnx/model.onnx_data", "onnx/weights.data")),
    (M, JS, "a precision that is not there",
     edited("config.json", lambda told: told["transformers.js_config"].update(dtype="q8"))),
    (M, JS, "tokenizer with other ids", edited("tokenizer.json", other_tokenizer)),
    (M, JS, "a product dropped", lambda folder: one_layer_less(folder, "onnx/model.onnx")),
    (S, JS, "another name of the batch", other_batch),
    (S, JS, "another end mark",
     edited("generation_config.json", lambda told: told.update(eos_token_id=7))),
    (Z, "triton", "wrong name of an input",
     replaced("models/encoder/config.pbtxt", '"input_ids"', '"ids"')),
    (Z, "triton", "wrong type of an input",
     replaced("models/decoder/config.pbtxt", "TYPE_INT64", "TYPE_INT32")),
    (Z, "triton", "an output left out",
     replaced("models/encoder/config.pbtxt", "output {", "# output {")),
    (Z, "triton", "no configuration at all",
     replaced("models/encoder/config.pbtxt", "backend:", "backend")),
    (Z, "triton", "another start", edited(f"{TWIN}/model.json", lambda told: told.update(start=9))),
    (Z, "triton", "another end mark",
     edited(f"{TWIN}/model.json", lambda told: told.update(ends=[7]))),
    (Z, "triton", "a layer's cache left out",
     edited(f"{TWIN}/model.json", lambda told: told["pasts"].pop())),
    (Z, "triton", "encoder of another folder",
     edited(f"{TWIN}/model.json", lambda told: told["parts"].update(encoder="../model.onnx"))),
    (Z, "triton", "a product dropped",
     lambda folder: one_layer_less(folder, "models/decoder/1/model.onnx")),
    (Z, "triton", "tokenizer missing", without(f"{TWIN}/tokenizer.json")),
)  # fmt: skip


def page(data: dict[str, Any]) -> str:
    words = {True: "yes", False: "WRONG", None: "not checked"}
    made = [[row["model"], row["format"], words[row["right"]] if row["made"] else "refused",
             row.get("mb", ""), row["says"]] for row in data["packages"]]  # fmt: skip
    broken = [[row["package"], row["damage"], "yes" if row["caught"] else "NO", row["says"]]
              for row in data["damages"]]  # fmt: skip
    caught = sum(row["caught"] for row in data["damages"])
    answered = sum(row["by answers"] for row in data["damages"])
    lines = [
        "# Packages in their own runtimes",
        "",
        "`pipeline package` of each model for each runtime, loaded from a copy in a process of the "
        "runtime's own environment and asked: ids of three texts, outputs within parity's budget "
        "or greedy continuations, end marks, labels, vectors of whole texts, bytes of files. The "
        "tiny ones have random weights. A damage that only the bytes show changes no answer that "
        "was asked for.",
        "",
        *table(["model", "format", "right", "MB", "says"], made),
        "",
        f"## Damaged packages: {caught} of {len(broken)} caught",
        "",
        f"{answered} by a wrong answer or a runtime that fails, the rest by the bytes of a file.",
        "",
        *table(["package", "damage", "caught", "by"], broken),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
