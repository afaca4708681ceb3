"""Benchmarks. What is measured is reading: nothing is remembered from one round to the next."""

import os

os.environ.setdefault("CKPTDOCTOR_NO_CACHE", "1")
