"""Published checkpoints of others to components of ours: a file per kind (`segkit.weights`)."""
