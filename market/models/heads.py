"""The last layer of a classifier's network."""

from __future__ import annotations

import warnings

import torch
from torch import nn


def linear_head(width: int, labels: int, device: torch.device | None = None) -> nn.Linear:
    """Return a new linear layer (width → labels), drawn from torch's generator.

    Without labels, if no listing has a category, it has no outputs.

    Examples
    --------
    >>> linear_head(4, 0)(torch.ones(2, 4)).shape
    torch.Size([2, 0])
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return nn.Linear(width, labels, device=device)
