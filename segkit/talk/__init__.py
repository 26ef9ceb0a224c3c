"""A talking video from a face, speech and a trained bundle; fitting a bundle to one person."""
