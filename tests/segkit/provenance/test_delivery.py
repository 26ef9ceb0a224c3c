"""Credentials fail softly: the video comes all the same, with one line that says so."""

import logging

import numpy as np
import pytest

from segkit.provenance import add_credentials, chosen_certificate, read_credentials
from segkit.video_writer import VideoWriter


@pytest.fixture
def own_config(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def chosen(*, credentials=True, certificate=None, key=None, suffix=".mp4"):
    return chosen_certificate(
        credentials=credentials, certificate=certificate, key=key, suffix=suffix
    )


def write(path, **options):
    with VideoWriter(path, width=32, height=32, fps=25, **options) as writer:
        for level in (10, 90, 200):
            writer.write(np.full((32, 32, 3), level, np.uint8))


def test_the_video_gets_its_name_already_signed(tmp_path, statement, certificate):
    out = tmp_path / "out.mp4"
    seen = []

    def finish(path):
        assert not out.exists()
        seen.append(add_credentials(path, statement=lambda: statement, certificate=certificate))

    write(out, finish=finish)
    assert seen == [True]
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert read_credentials(out).intact


def test_a_library_that_fails_costs_the_credentials_alone(
    tmp_path, statement, certificate, monkeypatch, caplog
):
    def broken(*_args, **_options):
        raise RuntimeError("the native part is missing")

    monkeypatch.setattr("c2pa.Builder", broken)
    out = tmp_path / "out.mp4"
    write(
        out,
        finish=lambda path: add_credentials(
            path, statement=lambda: statement, certificate=certificate
        ),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert read_credentials(out) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "complete but carries no credentials: the native part is missing" in record.getMessage()


def test_an_interrupt_while_signing_leaves_nothing(tmp_path):
    def interrupted(_path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out.mp4", finish=interrupted)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("library", ["c2pa", "cryptography"])
def test_a_missing_library_is_told_at_once(own_config, library, monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    assert chosen() is None
    (record,) = caplog.records
    assert record.getMessage().startswith("no credentials: ")
    assert library in record.getMessage().partition(";")[0]
    assert "pip install c2pa-python" in record.getMessage()


def test_switching_off_is_one_line_in_the_log(own_config, caplog):
    assert chosen(credentials=False) is None
    (record,) = caplog.records
    assert record.getMessage().startswith("no credentials, as asked")
    assert not own_config.exists()


def test_matroska_is_told_and_goes_without(own_config, caplog):
    assert chosen(suffix=".mkv") is None
    (record,) = caplog.records
    assert ".mkv files cannot carry them" in record.getMessage()


def test_a_folder_that_cannot_be_written_is_told(own_config, caplog):
    own_config.write_text("a file, no folder")
    assert chosen() is None
    (record,) = caplog.records
    assert record.getMessage().startswith("no credentials: ")


def test_the_first_video_makes_the_certificate(own_config):
    assert chosen().local
    assert sorted(path.name for path in (own_config / "credentials").iterdir()) == [
        "certificate.pem",
        "key.pem",
    ]


def test_a_certificate_of_the_users_own_must_work(tmp_path, certificate, own_config):
    for name, text in (("c.pem", certificate.chain), ("k.pem", certificate.key)):
        (tmp_path / name).write_bytes(text)
    with pytest.raises(ValueError, match="--certificate and --key together"):
        chosen(certificate=tmp_path / "c.pem")
    mine = chosen(certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    assert (mine.chain, mine.local) == (certificate.chain, False)
    assert not own_config.exists()
