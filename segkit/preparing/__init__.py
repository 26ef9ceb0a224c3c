"""The steps of `segkit prepare`: which videos, which shots, clips, sync, quarantine, workers."""
