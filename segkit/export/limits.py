"""The components that cannot be written as a graph, and why."""

from __future__ import annotations

NOT_EXPORTABLE = {
    "MeshParser": "it draws the regions from landmarks with OpenCV and has no weights of its own",
    "AVHubert": "it cuts a clip into chunks in Python; its `network` can be exported",
    "TorchaudioSSL": "it cuts a clip into chunks in Python, by the length that it is given",
    "PhonemeRecogniser": "its network comes from another package; export takes its features",
}
"""Component -> reason. All other registered networks can be exported by `export_module`."""
