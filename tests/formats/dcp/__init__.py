"""Tests of :mod:`ckptdoctor.formats.dcp`."""
