"""Nothing that the gate does not show is in any answer of the engine or of the service."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import past, photo_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from overlaid import Shop

from market.search import gate
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.rules import Hidden, Rules, Selection

NOW = pd.Timestamp.now("UTC").tz_localize(None)
PAST, FUTURE = NOW - pd.Timedelta(hours=1), NOW + pd.Timedelta(days=1)
