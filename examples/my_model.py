import torch
from torch import nn


def build():
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return model, {"src": torch.randn(2, 7, 64)}, {"src": {0: "batch", 1: "length"}}
