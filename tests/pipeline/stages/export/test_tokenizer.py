"""The tokenizer is saved whole, and a broken one is refused before anything is written."""

import shutil

import pytest

from pipeline.errors import BadModelError
from pipeline.records.export import GenerationSpec
from pipeline.stages.export.checkpoint import read_checkpoint
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.tokenizer import (
    generation_spec,
    preset_generation,
    tokenizer_writer,
)
from tests.pipeline.stages.export.conftest import random_model


@pytest.fixture
def with_tokenizer(checkpoints, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = shutil.copytree(checkpoints("bert"), tmp_path / "bert")
    words = {"[UNK]": 0, "[PAD]": 1, "good": 2, "day": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", padding_side="left"
    )
    fast.save_pretrained(folder)
    return folder


def writer_of(folder):
    options = ExportOptions(model=str(folder), output=folder / "out")
    return tokenizer_writer(read_checkpoint(folder), options)


def test_what_is_saved_loads_and_pads_the_same(with_tokenizer, tmp_path):
    from transformers import AutoTokenizer

    (with_tokenizer / "preprocessor_config.json").write_text("{}")
    target = tmp_path / "tokenizer"
    target.mkdir()
    writer_of(with_tokenizer)(target)
    again = AutoTokenizer.from_pretrained(target)
    assert again(["good day", "day"], padding=True)["input_ids"] == [[2, 3], [1, 3]]
    assert (target / "preprocessor_config.json").is_file()


def test_a_damaged_tokenizer_is_refused(with_tokenizer):
    (with_tokenizer / "tokenizer.json").write_text("{]")
    with pytest.raises(BadModelError, match="tokenizer cannot be read"):
        writer_of(with_tokenizer)


def test_a_folder_without_one_has_none(checkpoints):
    assert writer_of(checkpoints("bert")) is None


def test_what_a_decoding_loop_needs():
    class Generation:
        eos_token_id, pad_token_id, max_length = (2, 7), 1, 20

    class Model:
        generation_config = Generation()

    assert generation_spec(Model()) == GenerationSpec(
        eos_token_id=(2, 7), pad_token_id=1, max_length=20
    )
    assert generation_spec(object()) is None

    class Config:
        bos_id, eos_id, pad_id, max_length, source_vocab = 1, 2, 0, 64, 97

    class Own:
        config = Config()

    assert preset_generation(Own()) == GenerationSpec(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, decoder_start_token_id=1, max_length=64
    )
    assert preset_generation(object()) is None


def test_what_a_model_s_generation_asks_for_is_kept(checkpoints):
    model = random_model("llama")
    model.generation_config.no_repeat_ngram_size = 3
    model.generation_config.do_sample = True
    model.generation_config.temperature = 0.6
    model.generation_config.use_cache = False  # how, not what
    model.generation_config.lang_to_id = {"<|en|>": 7}  # not one of transformers' settings
    own = generation_spec(model).own
    assert own == {"no_repeat_ngram_size": 3, "do_sample": True, "temperature": 0.6}


def test_a_decoder_says_how_many_positions_it_has():
    assert generation_spec(random_model("llama")).max_length == 64


@pytest.mark.parametrize(
    ("kind", "apart"), [("linear", False), ("dynamic", True), ("longrope", True)]
)
def test_a_decoder_says_whether_a_long_row_changes_the_others(kind, apart):
    model = random_model("llama")
    assert not generation_spec(model).rows_share_angles
    for told in ({"rope_type": kind}, {"full_attention": {"rope_type": kind}}):
        model.config.rope_parameters = told
        assert generation_spec(model).rows_share_angles is apart


def test_a_configuration_that_holds_something_else_is_refused():
    class Model:
        generation_config = type("Odd", (), {"eos_token_id": "2"})()

    with pytest.raises(BadModelError, match=r"generation configuration.*eos_token_id"):
        generation_spec(Model())


def test_a_decoder_says_where_its_angles_change():
    """Phi-3's own loop reads a text anew there; a llama with the same angles never does."""
    import transformers

    told = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4,
            "original_max_position_embeddings": 40, "rope_theta": 10000.0}  # fmt: skip
    config = transformers.Phi3Config(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, pad_token_id=0,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        original_max_position_embeddings=40, rope_parameters=told,
    )  # fmt: skip
    model = transformers.Phi3ForCausalLM(config)
    assert generation_spec(model).angles_change_after == 40
    other = random_model("llama")
    other.config.rope_parameters = told
    other.config.original_max_position_embeddings = 40
    assert generation_spec(other).angles_change_after is None
