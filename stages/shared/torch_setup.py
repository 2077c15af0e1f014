"""How torch computes here: threads, seed, device, and the same bits every time."""

from __future__ import annotations

import os

import torch


def set_up_torch(seed: int) -> torch.device:
    """Fix everything that moves a last digit on one kind of machine; return the device to use.

    TORCH_THREADS and DEVICE ("cpu", "cuda", "mps"; default: the best there is) are environment
    variables, so that a faster machine does not make DVC rerun the stage.
    """
    torch.set_num_threads(int(os.environ.get("TORCH_THREADS", os.cpu_count() or 1)))
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what determinism asks of CUDA
    torch.use_deterministic_algorithms(True)
    best = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(os.environ.get("DEVICE", best))
