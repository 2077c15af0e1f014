"""The lowest layer: files, settings, the command line, processes and torch."""

import os

# torch reads it when it is imported: what Apple's GPU (`mps`) cannot compute runs on the CPU.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
