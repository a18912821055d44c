"""What the tests of decoder-only models share: one run with and without a cache."""

import torch


def inputs(vocab: int, length: int = 9):
    """Return ids, a mask with padding on the left of row 1, and positions."""
    ids = torch.randint(3, vocab, (2, length), generator=torch.Generator().manual_seed(5))
    mask = torch.ones(2, length, dtype=torch.int64)
    mask[1, :3] = 0
    return ids, mask, (mask.cumsum(1) - 1).clamp(min=0)


def empty_cache(model, batch: int = 2):
    heads, width = model.config.cache_shape
    empty = torch.zeros(batch, heads, 0, width)
    return [(empty, empty)] * model.config.layers


@torch.no_grad()
def whole(model, ids, mask, position):
    """Return the logits of one pass over everything."""
    return model(ids, mask, position, empty_cache(model))[0]


@torch.no_grad()
def in_chunks(model, ids, mask, position, chunks=(4, 1, 4)):
    """Return the logits of a prefill and steps over the growing cache."""
    cache, logits, at = empty_cache(model), [], 0
    for chunk in chunks:
        end = at + chunk
        out, cache = model(ids[:, at:end], mask[:, :end], position[:, at:end], cache)
        logits.append(out)
        at = end
    return torch.cat(logits, 1)


def real(logits, mask):
    """Return the logits of the real tokens only: padding rows bind nothing."""
    return logits[mask.bool()]
