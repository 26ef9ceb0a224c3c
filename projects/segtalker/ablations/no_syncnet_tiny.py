"""Table 2, row "w/o SyncNet", at 128 px: cross entropy to the end.

Run: ``segkit train no_syncnet_tiny --data data/synthetic``; the rest as in tsg_tiny.py.
"""

from mmengine.config import read_base

with read_base():
    from ..tiny.tsg_tiny import *

model.sync_expert = None
custom_hooks = custom_hooks[1:]
