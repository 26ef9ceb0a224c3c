"""segkit: reusable components for segmentation-driven talking faces."""

__version__ = "0.1.0"
