"""Published checkpoints of metric networks to ours: a file per kind (`segkit.weights`)."""
