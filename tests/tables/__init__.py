"""Collects the tables of plain names from the sources of packages, in many versions of each."""
