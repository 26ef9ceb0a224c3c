"""Find Chromium for the browser test, and install it where it is missing.

Needs nothing but the standard library. The system's package comes first (apt, as root or with a
sudo that asks nothing), then the build that playwright downloads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")


def main() -> None:
    """Print where Chromium is; exit 1 where it cannot be had."""
    found = find_browser()
    if found is None:
        say("no Chromium here; installing it")
        found = installed_by_apt() or installed_by_playwright()
    if found is None:
        say("Chromium could not be installed; the reason stands above.")
        say("Install it by hand, or set SEGKIT_CHROMIUM to its path; the browser test needs it.")
        sys.exit(1)
    say(found)


def say(message: str) -> None:
    """Print one line of progress at once."""
    print(f"[browser] {message}", flush=True)


def find_browser() -> str | None:
    """Return the path of a Chromium: the one of SEGKIT_CHROMIUM, the system's, playwright's."""
    named = os.environ.get("SEGKIT_CHROMIUM")
    if named:
        return named if os.access(named, os.X_OK) else None
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    return of_playwright()


def of_playwright() -> str | None:
    """Return the path of the build that playwright has downloaded, if it has."""
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    path = answer.stdout.strip()
    return path if answer.returncode == 0 and os.access(path, os.X_OK) else None


def installed_by_apt() -> str | None:
    """Install the system's package, if this user may."""
    apt = shutil.which("apt-get")
    if apt is None:
        return None
    front: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], check=False).returncode:
            return None
        front = [sudo, "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
    ):
        if subprocess.run([*front, apt, *words], env=environment, check=False).returncode:
            return None
    return find_browser()


def installed_by_playwright() -> str | None:
    """Let playwright download its own build."""
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    return of_playwright()


if __name__ == "__main__":
    main()
