"""The loop over tokens: who is asked what, and what ends."""

import numpy as np

from pipeline.tasks.loop import Choices, best, continue_rows


def counting(ids):
    """Return logits whose likeliest token is the last one plus one."""
    made = np.zeros((*ids.shape, 20), np.float16)
    np.put_along_axis(made, (ids[..., None] + 1) % 20, 1, axis=-1)
    return made


def test_rows_end_alone_and_are_filled_up():
    prompts = np.array([[1, 2], [7, 8]])
    made = continue_rows(counting, prompts, Choices(8, ends=(5, 13), pad=19))
    assert made.tolist() == [[1, 2, 3, 4, 5, 19, 19], [7, 8, 9, 10, 11, 12, 13]]


def test_scores_are_changed_in_order_and_everyone_is_told():
    heard, seen = [], []

    def adjust(ids, scores):
        seen.append((ids.shape, scores.dtype))
        return scores + np.float32([0] * 7 + [5] + [0] * 12)

    choices = Choices(
        5, adjust=(adjust, lambda ids, scores: -scores), hear=lambda ids: heard.append(ids.copy()),
        criteria=(lambda ids: np.array([ids.shape[1] == 4]),),
    )  # fmt: skip
    made = continue_rows(counting, np.array([[1]]), choices)
    assert made.shape == (1, 4)
    assert 7 not in made
    assert [ids.shape for ids in heard] == [(1, 2), (1, 3), (1, 4)]
    assert seen[0] == ((1, 1), np.float32)


def test_a_prompt_that_fills_the_limit_gets_no_answer():
    assert continue_rows(counting, np.array([[1, 2, 3]]), Choices(3)).tolist() == [[1, 2, 3]]


def test_the_likeliest_is_the_first_of_equals():
    assert best(np.float32([[0, 2, 2], [1, 1, 0]])).tolist() == [1, 0]
