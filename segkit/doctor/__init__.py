"""What `segkit doctor` looks at: libraries, machine, and the files that segkit works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from segkit.doctor import files, libraries, machine
from segkit.doctor.finding import Finding

__all__ = ["Finding", "examine"]

_CHECKS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("libraries", libraries.python),
    ("libraries", libraries.required),
    ("libraries", libraries.torch_family),
    ("libraries", libraries.native),
    ("libraries", libraries.extras),
    ("libraries", libraries.mim_script),
    ("machine", machine.accelerators),
    ("machine", machine.processors),
    ("machine", machine.memory_and_disk),
    ("machine", machine.variables),
    ("media", files.codecs),
    ("media", files.speech_synthesiser),
    ("files", files.builtin_model),
    ("files", files.credentials),
    ("files", files.weights),
)


def examine() -> list[Finding]:
    """Look at everything; a check that fails becomes a finding, and the others go on."""
    findings: list[Finding] = []
    for topic, check in _CHECKS:
        try:
            findings += check()
        except Exception as error:
            name = check.__name__.replace("_", " ")
            what = f"{type(error).__name__}: {error}"
            findings.append(
                Finding(topic, name, "could not be examined", todo=f"look into {name}: {what}")
            )
    return findings
