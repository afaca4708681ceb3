"""For all tests: torch uses one thread, because the tests' tensors are too small to share out."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
