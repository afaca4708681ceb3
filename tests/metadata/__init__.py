"""Tests of ckptdoctor.metadata."""
