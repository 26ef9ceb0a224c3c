"""Train methods and their ablations alike, score them alike, and set them beside one another."""
