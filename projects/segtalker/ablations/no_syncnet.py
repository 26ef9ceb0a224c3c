"""Table 2, row "w/o SyncNet": cross entropy to the end.

Run: ``segkit train no_syncnet --data data/hdtf``; the rest as in tsg.py.
"""

from mmengine.config import read_base

with read_base():
    from ..tsg import *

model.sync_expert = None
custom_hooks = custom_hooks[1:]
