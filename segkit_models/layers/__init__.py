"""Building blocks shared by the component families."""
