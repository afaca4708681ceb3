"""Trainings that really die, restarted as ``ckptdoctor plan`` says: do they come back?"""
