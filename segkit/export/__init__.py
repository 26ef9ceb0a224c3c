"""Networks as ONNX files, each compared with torch before it is put in its place."""

from segkit.export.bundle import export_bundle, listed_parts
from segkit.export.limits import NOT_EXPORTABLE
from segkit.export.module import OPSET, ExportError, export_module

__all__ = [
    "NOT_EXPORTABLE",
    "OPSET",
    "ExportError",
    "export_bundle",
    "export_module",
    "listed_parts",
]
