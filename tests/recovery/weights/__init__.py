"""Weights of several files in one."""
