"""How torch computes here: threads, seed, device, and the same bits every time."""

from __future__ import annotations

import ctypes
import os
import sys

import joblib
import torch


def set_up_torch(seed: int) -> torch.device:
    """Fix everything that moves a last digit on one kind of machine; return the device to use.

    TORCH_THREADS and DEVICE ("cpu", "cuda", "mps"; "auto", the default: the best there is) are
    environment variables, so that a faster machine does not make DVC rerun the stage. Processes
    that torchrun starts on one machine share its cores, and have a GPU each.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    threads = max(1, joblib.cpu_count() // processes)  # those of a batch system's job, no more
    torch.set_num_threads(int(os.environ.get("TORCH_THREADS", threads)))
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what determinism asks of CUDA
    torch.use_deterministic_algorithms(True)
    # That also fills new tensors with NaN, to show up reads of what nobody wrote: 10-20 % slower.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _keep_freed_memory()
    name = os.environ.get("DEVICE", "auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    return torch.device(name)


def _keep_freed_memory() -> None:
    """Let glibc's malloc keep what layers free for the next layer, not give it back to the kernel.

    Each activation is megabytes, which malloc otherwise maps and unmaps every time: the page faults
    were half of the time of a forward pass here.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # malloc.h
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, -1)
        mallopt(m_top_pad, 64 << 20)
