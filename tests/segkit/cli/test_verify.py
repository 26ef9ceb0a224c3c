"""`segkit verify` and what `segkit talk` signs, from the outside."""

import json

import pytest


@pytest.fixture
def talk(command_line, smallest_bundle, portrait, voice, tmp_path, monkeypatch):
    """Call `segkit talk`; its settings lie in the test's own folder."""
    monkeypatch.setenv("SEGKIT_CONFIG", str(tmp_path / "config"))

    def call(*more, out=tmp_path / "out.mp4"):
        words = ["--image", portrait, "--audio", voice, "--out", out, "--model", smallest_bundle]
        return command_line("talk", *words, *more)

    return call


def test_a_talk_signs_and_verify_reads(talk, command_line, tmp_path):
    made = talk("--blink", "1.0@0.2")
    assert made.exit_code == 0, made.output
    out = tmp_path / "out.mp4"
    assert f"segkit verify {out}" in made.stdout
    read = command_line("verify", out)
    assert read.exit_code == 0, read.output
    for words in (
        "valid; not changed", "NOT trusted: made by segkit", "trainedAlgorithmicMedia",
        "blink: amount 1.0, at 0.2 s", "picture astronaut.png", "hum.wav", "eyes", "tiny, sha256",
    ):  # fmt: skip
        assert words in read.stdout, read.stdout
    own = tmp_path / "config" / "credentials" / "certificate.pem"
    trusted = command_line("verify", out, "--trust", own)
    assert (trusted.exit_code, ", trusted" in trusted.stdout) == (0, True)

    content = bytearray(out.read_bytes())
    content[-40] ^= 1
    out.write_bytes(content)
    read = command_line("verify", out)
    assert read.exit_code == 1
    assert "NOT VALID" in read.stdout
    assert "bmffHash.mismatch" in read.stdout
    said = json.loads(command_line("verify", out, "--json").stdout)
    assert said["file"] == "out.mp4"
    assert said["credentials"]["intact"] is False


def test_credentials_can_be_switched_off(talk, command_line, tmp_path):
    made = talk("--no-credentials")
    assert made.exit_code == 0, made.output
    assert "segkit verify" not in made.stdout
    assert not (tmp_path / "config").exists()
    read = command_line("verify", tmp_path / "out.mp4")
    assert read.exit_code == 3
    assert "no credentials" in read.stdout
    said = json.loads(command_line("verify", tmp_path / "out.mp4", "--json").stdout)
    assert said["credentials"] is None


def test_wrong_lines_are_told(talk, command_line, tmp_path):
    absent = command_line("verify", tmp_path / "absent.mp4")
    assert (absent.exit_code, "does not exist" in absent.stderr) == (2, True)
    (tmp_path / "letter.pem").write_text("dear reader")
    letter = tmp_path / "letter.pem"
    alone = talk("--certificate", letter)
    assert (alone.exit_code, "together" in alone.stderr) == (2, True)
    wrong = talk("--certificate", letter, "--key", letter)
    assert (wrong.exit_code, "expected certificates" in wrong.stderr) == (2, True)
    assert not (tmp_path / "out.mp4").exists()
