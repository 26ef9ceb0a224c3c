"""The seam to mmengine: plain checkpoints, exact resume, launch, early checks.

Only this package and ``segkit_models.talking`` import ``mmengine.model|runner|hooks|optim|dist``;
nothing is imported here, so that reading a configuration does not pay for the training loop.
"""
