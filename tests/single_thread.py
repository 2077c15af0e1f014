"""Sets one thread for each test process; imported before the libraries that read it once.

Tests run side by side, where threads would only wait for one another. Some results, such as the
sums of boosted trees, depend on the number of threads, so it must not depend on how tests are run.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TORCH_THREADS": "1", "WORKERS": "1", "LOADER_WORKERS": "0"}
