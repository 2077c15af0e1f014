"""Set-up of torch: threads, seed, device, and results that are equal bit for bit."""

from __future__ import annotations

import ctypes
import os
import sys

import joblib
import torch


def set_up_torch(seed: int) -> torch.device:
    """Make torch reproducible on one kind of machine; return the device to use.

    Parameters
    ----------
    seed
        Of torch's generators.

    Notes
    -----
    TORCH_THREADS (default: every core that this process may use) and DEVICE ("cpu", "cuda", "mps";
    default "auto": a GPU if there is one, of NVIDIA or Apple) are environment variables, so that a
    faster machine does not make DVC rerun a stage.
    """
    torch.set_num_threads(int(os.environ.get("TORCH_THREADS", joblib.cpu_count())))
    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA is deterministic only so
    torch.use_deterministic_algorithms(True)
    # By default, deterministic mode fills new tensors with NaN to expose reads of uninitialised
    # memory, which is 10-20 % slower.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _keep_freed_memory()
    name = os.environ.get("DEVICE", "auto")
    if name == "auto":
        name = _best_device()
    return torch.device("cuda:0" if name == "cuda" else name)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.mps.is_available() else "cpu"


def _keep_freed_memory() -> None:
    """Let glibc's malloc reuse freed memory instead of returning it to the kernel.

    Each activation takes megabytes, which malloc would otherwise map and unmap every time: page
    faults took half of the time of a forward pass here.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # malloc.h
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, -1)
        mallopt(m_top_pad, 64 << 20)
