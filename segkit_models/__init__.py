"""Models for segmentation-driven talking faces: one subpackage per component family."""
