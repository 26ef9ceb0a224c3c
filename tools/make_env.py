"""Create the virtual environment of the Makefile: uv when it can be had, plain pip when not.

Needs nothing but the standard library. Settings that pip reads (PIP_* variables, pip.conf) hold
for uv too.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path
from urllib.parse import urljoin

# openmim comes in a command of its own, before segkit: both own the script `mim`, and the one
# installed last must be ours. The caps are those of the extra `mim` in pyproject.toml.
OPENMIM = ["openmim>=0.3.9", "opendatalab<0.0.10", "setuptools<82"]


def main() -> None:
    """Bring the environment up to date and write the stamp file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--extras", default="dev,synth,mim,plot,cluster,web,export")
    parser.add_argument("--stamp", type=Path, required=True)
    args = parser.parse_args()

    started = time.monotonic()
    python = make_venv(args.venv)
    wanted = fingerprint(python, args.extras)
    installer = Installer(python)
    if args.stamp.exists() and args.stamp.read_text() == wanted:
        say("refreshing the installed copy of the configs")
        installer.install(["--no-deps", "-e", "."])
    else:
        say("installing packages (the first time takes minutes: PyTorch is large)")
        if "mim" in args.extras.split(","):
            installer.install(OPENMIM)
        installer.install(["-e", f".[{args.extras}]"])
        repair_opencv(python, installer)
    args.stamp.write_text(wanted)
    say(f"ready in {time.monotonic() - started:.0f} s: {args.venv}")


def say(message: str) -> None:
    """Print one line of progress at once."""
    print(f"[setup] {message}", flush=True)


def fingerprint(python: Path, extras: str) -> str:
    """Return what the set of installed packages depends on."""
    digest = hashlib.sha256(Path("pyproject.toml").read_bytes()).hexdigest()
    return f"{digest} {extras} {python.resolve()}\n"


def make_venv(folder: Path) -> Path:
    """Create the environment unless it is there and runs; return its interpreter."""
    # Not resolved: the link inside the environment is what makes it the environment's interpreter.
    python = Path(os.path.abspath(folder)) / "bin" / "python"
    if python.exists() and subprocess.run([python, "-c", ""], check=False).returncode == 0:
        return python
    say(f"creating {folder} with {sys.executable} ({sys.version.split()[0]})")
    try:
        import ensurepip  # noqa: F401  Debian splits it off into python3-venv
    except ImportError:
        say("this Python has no ensurepip; fetching pip itself")
        venv.create(folder, clear=True, with_pip=False)
        try:
            fetch_pip(python, folder)
        except OSError as error:
            sys.exit(f"[setup] {error}: pip cannot be had; install it (apt install python3-venv)")
    else:
        venv.create(folder, clear=True, with_pip=True)
    return python


def fetch_pip(python: Path, folder: Path) -> None:
    """Install pip without pip: its wheel can be run as it is."""
    index = "https://pypi.org/pypi/pip/json"
    with urllib.request.urlopen(index, timeout=60) as answer:
        files = json.load(answer)["urls"]
    source = next(file for file in files if file["packagetype"] == "bdist_wheel")
    wheel = folder / source["filename"]
    # A mirror may give addresses relative to its own.
    with urllib.request.urlopen(urljoin(index, source["url"]), timeout=60) as answer:
        wheel.write_bytes(answer.read())
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != source["digests"]["sha256"]:
        sys.exit(f"[setup] {source['url']} arrived damaged; run again")
    subprocess.run([python, f"{wheel}/pip", "install", "--quiet", wheel], check=True)
    wheel.unlink()


class Installer:
    """Install with uv, and with pip where uv is missing or fails.

    Args:
        python: interpreter of the environment.
    """

    def __init__(self, python: Path) -> None:
        self._python = python
        self._uv = python.with_name("uv")
        if not self._uv.exists():
            say("fetching uv, a fast installer")
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", "--prefer-binary", "uv"], check=False
            )

    def install(self, requirements: list[str]) -> None:
        """Install requirements, showing the installer's own progress."""
        if self._uv.exists():
            command = [self._uv, "pip", "install", "--python", self._python, *requirements]
            environment = {**uv_settings(self._python), **os.environ}
            if subprocess.run(command, env=environment, check=False).returncode == 0:
                return
            say("uv did not succeed (see above); trying pip, which is slower")
        command = [self._python, "-m", "pip", "install", "--prefer-binary", *requirements]
        if subprocess.run(command, check=False).returncode != 0:
            sys.exit(
                "[setup] the packages could not be installed; the reason stands above. "
                "Behind a proxy or a mirror, set PIP_INDEX_URL (or pip.conf) and run again."
            )


def uv_settings(python: Path) -> dict[str, str]:
    """Translate pip's settings, wherever pip found them, into uv's environment variables."""
    listing = subprocess.run(
        [python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings: dict[str, list[str]] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        # Words of a list are separated by blanks; a later file or variable replaces an earlier one.
        settings[key.rpartition(".")[2]] = str(ast.literal_eval(value)).split()
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "trusted-host": "UV_INSECURE_HOST",
        "cert": "SSL_CERT_FILE",
    }
    # uv separates places to find wheels by commas, everything else by blanks.
    found = {
        names[key]: ("," if key == "find-links" else " ").join(words)
        for key, words in settings.items()
        if key in names and words
    }
    if "UV_INDEX" in found:
        # pip takes the best file of all indexes. uv takes all files of one version from one index:
        # the first, and its default index comes last. So the main index is put in front.
        main = found.get("UV_DEFAULT_INDEX", "https://pypi.org/simple")
        *before, last = [main, *found["UV_INDEX"].split()]
        found |= {"UV_INDEX": " ".join(before), "UV_DEFAULT_INDEX": last}
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def repair_opencv(python: Path, installer: Installer) -> None:
    """Where the display library is missing, put OpenCV's build without windows over the other."""
    if subprocess.run([python, "-c", "import cv2"], capture_output=True, check=False).returncode:
        version = subprocess.run(
            [
                python,
                "-c",
                "from importlib.metadata import version as v; print(v('opencv-python'))",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        say("OpenCV finds no libGL here; replacing its files by the headless build")
        installer.install(["--no-deps", f"opencv-python-headless=={version}"])


if __name__ == "__main__":
    main()
