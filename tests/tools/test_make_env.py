"""The script behind `make`: pip's settings reach uv, and a change of pyproject.toml is noticed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def make_env(repository):
    spec = importlib.util.spec_from_file_location("make_env", repository / "tools/make_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listing(monkeypatch, make_env, text):
    answer = subprocess.CompletedProcess([], 0, stdout=text, stderr="")
    monkeypatch.setattr(make_env.subprocess, "run", lambda *_args, **_options: answer)
    return make_env.uv_settings(Path("python"))


def test_settings_of_pip_reach_uv(monkeypatch, make_env):
    found = listing(
        monkeypatch,
        make_env,
        ":env:.find-links='/wheels'\n"
        "global.extra-index-url='https://one/simple https://two/simple'\n"
        "global.index-url='https://mirror/simple'\n"
        ":env:.disable-pip-version-check='1'\n"
        "global.cert='/certs.pem'\n",
    )
    assert found == {
        "UV_FIND_LINKS": "/wheels",
        "UV_INDEX": "https://mirror/simple https://one/simple",
        "UV_DEFAULT_INDEX": "https://two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/certs.pem",
    }


def test_without_settings_uv_keeps_its_own(monkeypatch, make_env):
    assert listing(monkeypatch, make_env, "") == {}


def test_fingerprint_follows_the_project_file(tmp_path, monkeypatch, make_env):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    python = Path(sys.executable)
    before = make_env.fingerprint(python, "dev")
    assert make_env.fingerprint(python, "dev") == before
    assert make_env.fingerprint(python, "dev,docs") != before
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert make_env.fingerprint(python, "dev") != before


def test_openmim_is_capped_as_the_extra_says(repository, make_env):
    text = (repository / "pyproject.toml").read_text()
    assert (
        "mim = [" + ", ".join(f'"{requirement}"' for requirement in make_env.OPENMIM) + "]" in text
    )


def test_an_old_python_is_told_so(repository, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    old = folder / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    answer = subprocess.run(
        ["make", "setup", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}"],
        cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "MAKEFLAGS": ""},
    )  # fmt: skip
    assert answer.returncode != 0
    assert "segkit needs Python 3.10 to 3.14" in answer.stderr
    assert not (tmp_path / "venv").exists()
