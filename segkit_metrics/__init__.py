"""Metrics for talking faces: a tested functional core under each."""
