"""Bytes put right: single flipped bits by the checksums of the file, bursts by its parity.

What is proved, what is decided and what is only likely is told apart in ``judge.py``.
"""
