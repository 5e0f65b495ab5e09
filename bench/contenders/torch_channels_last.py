"""PyTorch, eager, with images and weights in the channels_last memory format."""

from __future__ import annotations

import torch

from contenders import torch_eager


class Trainer(torch_eager.Trainer):
    memory_format = torch.channels_last
