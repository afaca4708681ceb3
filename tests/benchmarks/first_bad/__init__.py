"""Trainings with a known first tensor, and healthy ones: does the autopsy find it, and in time?"""
