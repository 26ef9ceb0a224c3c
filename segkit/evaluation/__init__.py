"""Score talking videos against real ones: pair the clips, stream them, report every number."""
