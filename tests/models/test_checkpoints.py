"""Checkpoint folders that are incomplete, broken or hostile: each a ModelError that says why."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from models.checkpoints import read_json, read_pickle, read_weights
from models.errors import ModelError

WEIGHTS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}


class Touches:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def shards(folder, suffix):
    """Write WEIGHTS as two files and their index."""
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    places = {}
    for index, (name, tensor) in enumerate(WEIGHTS.items(), start=1):
        file = f"{stem}-{index:05d}-of-00002.{suffix}"
        places[name] = file
        save = save_file if suffix == "safetensors" else torch.save
        save({name: tensor}, folder / file)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": places}))
    return sorted(places.values())


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("several", [False, True], ids=["one-file", "shards"])
def test_weights_come_back(suffix, several, tmp_path):
    if several:
        shards(tmp_path, suffix)
    elif suffix == "safetensors":
        save_file(WEIGHTS, tmp_path / "model.safetensors")
    else:
        torch.save(WEIGHTS, tmp_path / "pytorch_model.bin")
    found = read_weights(tmp_path)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


def test_the_old_pickle_format_is_read(tmp_path):
    path = tmp_path / "old.bin"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read_pickle(path)["a"], WEIGHTS["a"])


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_missing_shard_is_named(suffix, tmp_path):
    (tmp_path / shards(tmp_path, suffix)[1]).unlink()
    with pytest.raises(ModelError, match=r"00002-of-00002.* is missing"):
        read_weights(tmp_path)


def test_a_shard_without_its_weights_is_noticed(tmp_path):
    file = shards(tmp_path, "safetensors")[1]
    save_file({"other": torch.ones(1)}, tmp_path / file)
    with pytest.raises(ModelError, match="in no shard, b first"):
        read_weights(tmp_path)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "deep/x.bin"])
def test_an_index_that_leaves_its_folder_is_refused(place, tmp_path):
    index = {"weight_map": {"a": place}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="outside its folder"):
        read_weights(tmp_path)


def test_config_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="no weights"):
        read_weights(tmp_path)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "plain"])
def test_a_pickle_that_would_run_code_is_not_run(new_format, tmp_path):
    made = tmp_path / "made"
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": Touches(made)}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ModelError, match="could execute code"):
        read_weights(tmp_path)
    assert not made.exists()


def test_a_bare_pickle_that_would_run_code_is_not_run(tmp_path):
    made, path = tmp_path / "made", tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps(Touches(made)))
    with pytest.raises(ModelError, match="could execute code"):
        read_weights(tmp_path)
    assert not made.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 11, 200], ids=["empty", "head", "half"])
def test_half_a_file_is_unreadable(name, keep, tmp_path):
    whole = tmp_path / "whole"
    if name.endswith("bin"):
        torch.save(WEIGHTS, whole)
    else:
        save_file(WEIGHTS, whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:keep][: whole.stat().st_size - 4])
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path)


def test_junk_is_unreadable_not_hostile(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"<html>404 not found</html>" * 30)
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path)


def test_a_list_is_no_checkpoint(tmp_path):
    torch.save([torch.ones(2)], tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="not a dictionary of tensors"):
        read_weights(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", None], ids=["empty", "cut", "list", "absent"])
def test_json_that_is_no_object(text, tmp_path):
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_json(path)
