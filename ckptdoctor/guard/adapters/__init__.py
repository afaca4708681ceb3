"""The guard in frameworks that own the training loop. Each module imports its framework alone.

``lightning.GuardCallback``, ``transformers.GuardCallback``, ``accelerate.AccelerateGuard`` and
``ignite.attach``. All of them rest on :meth:`TrainingGuard.check`, which looks at a step that the
framework is about to take and takes the gradients away if it is bad.
"""
