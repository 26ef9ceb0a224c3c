"""Are the libraries there, of versions that fit, and whose is the script `mim`?"""

from __future__ import annotations

import importlib
import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from segkit import __version__
from segkit.doctor.finding import Finding

OLDEST, NEWEST = (3, 10), (3, 14)
"""First and last Python that segkit is made for."""

_TOPIC = "libraries"
# torchvision 0.N belongs to torch 2.(N - 15) since both began to be released together.
_VISION_AHEAD = 15
_FOR_DEVELOPERS = ("dev", "docs")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")


def python() -> Iterator[Finding]:
    """Tell the versions of Python and segkit."""
    version = sys.version_info[:2]
    fits = OLDEST <= version <= NEWEST
    wanted = f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
    todo = None if fits else f"use Python {wanted}; this is {version[0]}.{version[1]}"
    yield Finding(_TOPIC, "Python", f"{sys.version.split()[0]} ({sys.executable})", todo)
    yield Finding(_TOPIC, "segkit", f"{__version__} ({Path(__file__).parents[1]})")


def required() -> Iterator[Finding]:
    """Compare every library that segkit needs with the version it needs."""
    from packaging.requirements import Requirement

    for line in metadata.requires("segkit") or ():
        requirement = Requirement(line)
        if _EXTRA.search(line) or (requirement.marker and not requirement.marker.evaluate()):
            continue
        found = installed(requirement.name)
        fits = found is not None and requirement.specifier.contains(found, prereleases=True)
        todo = None if fits else f"pip install '{requirement.name}{requirement.specifier}'"
        yield Finding(_TOPIC, requirement.name, found or "missing", todo)


def torch_family() -> Iterator[Finding]:
    """Load torch, torchaudio and torchvision, and tell whether they are of one release."""
    versions = {name: installed(name) for name in ("torch", "torchaudio", "torchvision")}
    broken = [name for name, version in versions.items() if version is not None and not loads(name)]
    problem = misfit(versions["torch"], versions["torchaudio"], versions["torchvision"])
    if broken:
        problem = f"{' and '.join(broken)} cannot be loaded"
    again = "pip install --force-reinstall torch torchaudio torchvision, all in one command"
    yield Finding(
        _TOPIC,
        "torch family",
        problem or "of one release, and loads",
        todo=f"{problem}: {again}" if problem else None,
    )


def misfit(torch: str | None, torchaudio: str | None, torchvision: str | None) -> str | None:
    """Say which of three versions do not belong together.

    Args:
        torch: such as ``"2.11.0+cpu"``; None where it is missing.
        torchaudio: of the same number.
        torchvision: of minor number 15 above.

    Returns:
        A phrase, or None if they fit.
    """
    if torch is None or torchaudio is None or torchvision is None:
        return None  # told as missing elsewhere
    release, audio, vision = (_release(version) for version in (torch, torchaudio, torchvision))
    if audio[:2] != release[:2]:
        return f"torchaudio {torchaudio} is not of the release of torch {torch}"
    if vision[:2] != (0, release[1] + _VISION_AHEAD):
        return f"torchvision {torchvision} is not of the release of torch {torch}"
    builds = {version.partition("+")[2] for version in (torch, torchaudio, torchvision)} - {""}
    if len(builds) > 1:
        return f"torch, torchaudio and torchvision are of several builds: {', '.join(builds)}"
    return None


def native() -> Iterator[Finding]:
    """Load the libraries of native code that fail where the system lacks something."""
    advice = {
        "cv2": "pip install --force-reinstall --no-deps opencv-python-headless, "
        "or install the system's libGL",
        "ai_edge_litert.interpreter": "pip install --force-reinstall ai-edge-litert",
        "soundfile": "pip install --force-reinstall soundfile",
    }
    for name, what in advice.items():
        fine = loads(name)
        yield Finding(
            _TOPIC,
            f"import {name}",
            "loads" if fine else "does not load",
            todo=None if fine else what,
        )


def extras() -> Iterator[Finding]:
    """Tell which extras are complete."""
    from packaging.requirements import Requirement

    wanted: dict[str, list[Requirement]] = {}
    for line in metadata.requires("segkit") or ():
        if match := _EXTRA.search(line):
            wanted.setdefault(match[1], []).append(Requirement(line))
    for extra, requirements in wanted.items():
        missing = [one.name for one in requirements if not _satisfied(one.name, one.specifier)]
        value = "complete" if not missing else f"lacks {', '.join(missing)}"
        hint = f"for the extra {extra}: pip install 'segkit[{extra}]'"
        offered = missing and extra not in _FOR_DEVELOPERS
        yield Finding(_TOPIC, f"extra {extra}", value, hint=hint if offered else None)


def mim_script() -> Iterator[Finding]:
    """Tell whose the script `mim` is: both segkit and openmim install one."""
    folder = Path(sysconfig.get_path("scripts"))
    scripts = [path for path in (folder / "mim", folder / "mim.exe") if path.is_file()]
    if not scripts:
        yield Finding(_TOPIC, "script mim", f"not in {folder}")
    elif owner_of(scripts[0]) == "segkit":
        yield Finding(_TOPIC, "script mim", "segkit's: `mim train CONFIG.py` finds its package")
    else:
        yield Finding(
            _TOPIC,
            "script mim",
            "openmim's: say `mim train segkit CONFIG.py`",
            hint="for `mim train CONFIG.py`: pip install --force-reinstall --no-deps segkit",
        )


def owner_of(script: Path) -> str:
    """Return ``"segkit"`` or ``"openmim"``, by what the script calls."""
    return "segkit" if b"segkit.mim_entry" in script.read_bytes() else "openmim"


def installed(name: str) -> str | None:
    """Return the version of a distribution, None where it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        # OpenCV's build without windows serves as well.
        return installed("opencv-python-headless") if name == "opencv-python" else None


def loads(module: str) -> bool:
    """Tell whether a module can be imported."""
    try:
        importlib.import_module(module)
    except Exception:  # a native library fails in ways of its own
        return False
    return True


def _satisfied(name: str, specifier: object) -> bool:
    from packaging.specifiers import SpecifierSet

    found = installed(name)
    return found is not None and SpecifierSet(str(specifier)).contains(found, prereleases=True)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
