"""The page of `segkit web`: what the command line can do, seen and touched. Needs extra ``web``."""
