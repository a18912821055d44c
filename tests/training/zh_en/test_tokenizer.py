"""The tokenizer that is made: it knows the whole corpus, and it survives being written."""

import pytest

from models.zh_en import FOLDER
from models.zh_en.tokenizer import BOS, EOS, SentenceTokenizer
from training.zh_en import corpus
from training.zh_en.clauses import Clause
from training.zh_en.tokenizer import neighbours, save_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    """Return the published one."""
    return SentenceTokenizer.from_folder(FOLDER)


def test_every_english_sentence_comes_back(tokenizer):
    for pair in corpus.distinct(11, "test", 500):
        ids = tokenizer.encode_target(pair.en)
        assert ids[0] == BOS
        assert ids[-1] == EOS
        assert tokenizer.decode(ids) == pair.en
        assert max(ids) < tokenizer.words.first_chinese_id


def test_nothing_of_the_corpus_or_the_everyday_set_is_unknown(tokenizer):
    texts = [pair.zh for pair in corpus.distinct(12, "test", 1000)]
    texts += [sentence.zh for sentence in corpus.everyday()]
    named = {text: words for text in texts if (words := tokenizer.unknown_words(text))}
    # Two one-character words can meet for the first time; that must stay rare.
    assert len(named) <= 3, named
    assert not named.keys() & {sentence.zh for sentence in corpus.everyday()}


def test_a_trained_tokenizer_survives_saving(tmp_path):
    clauses = list(corpus.phrases())
    english = [corpus.punctuate(clause, "full").en for clause in clauses]
    made = train_tokenizer(clauses, english, 120, neighbours(clauses))
    save_tokenizer(made, tmp_path)
    again = SentenceTokenizer.from_folder(tmp_path)
    assert again.words == made.words
    assert again.encode(["谢谢你。"]) == made.encode(["谢谢你。"])
    assert again.decode(again.encode_target("Thank you.")) == "Thank you."


def test_neighbours_are_lone_characters_side_by_side():
    clauses = [Clause("我 很 开心 吗", "am I happy"), Clause("他 很 累，我 也", "he is tired")]
    assert neighbours(clauses) == {"我很", "他很"}
