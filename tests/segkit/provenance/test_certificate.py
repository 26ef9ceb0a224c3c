"""Certificates, checked by another library and by what C2PA accepts."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from segkit.provenance import config_folder, local_certificate, read_certificate
from segkit.provenance.signing import try_certificate

ENCODING = serialization.Encoding.PEM


def pem_of(key, password=None):
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(ENCODING, serialization.PrivateFormat.PKCS8, encryption)


def self_signed(key, *, days=10):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - timedelta(days=30))
    builder = builder.not_valid_after(now + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(ENCODING)


def test_the_local_chain_holds(tmp_path):
    chain = x509.load_pem_x509_certificates(local_certificate(tmp_path / "own").chain)
    leaf, root = chain
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.not_valid_after_utc - datetime.now(timezone.utc) > timedelta(days=3600)


def test_it_is_made_once_and_kept_private(tmp_path):
    first = local_certificate(tmp_path / "deep" / "own")
    assert local_certificate(tmp_path / "deep" / "own") == first
    assert first.local
    assert "PRIVATE" not in repr(first)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["own"]
    key = tmp_path / "deep" / "own" / "key.pem"
    assert key.read_bytes() == first.key
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_first_videos_at_once_share_one_certificate(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: local_certificate(tmp_path / "own"), range(8)))
    assert len({one.key for one in made}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_the_folder_is_the_platforms(monkeypatch):
    monkeypatch.setenv("SEGKIT_CONFIG", "/given")
    assert config_folder() == Path("/given")
    monkeypatch.delenv("SEGKIT_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    monkeypatch.setenv("APPDATA", "/roaming")
    monkeypatch.setenv("HOME", "/home/me")
    for platform, wanted in {
        "linux": "/xdg/segkit",
        "win32": "/roaming/segkit",
        "darwin": "/home/me/Library/Application Support/segkit",
    }.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert config_folder() == Path(wanted)


def test_a_damaged_local_certificate_says_what_to_do(tmp_path):
    local_certificate(tmp_path / "own")
    (tmp_path / "own" / "key.pem").write_text("gone")
    with pytest.raises(ValueError, match=r"delete .*own, and the next video makes a new one"):
        local_certificate(tmp_path / "own")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_the_key_tells_the_algorithm(tmp_path, key, algorithm):
    (tmp_path / "c.pem").write_bytes(self_signed(key))
    (tmp_path / "k.pem").write_bytes(pem_of(key))
    read = read_certificate(tmp_path / "c.pem", tmp_path / "k.pem")
    assert (read.algorithm, read.local) == (algorithm, False)
    # C2PA wants an issuer apart from the signer.
    with pytest.raises(ValueError, match="credentials could not be made"):
        try_certificate(read)


def test_what_cannot_sign_is_refused(tmp_path):
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    (tmp_path / "c.pem").write_bytes(self_signed(key))
    (tmp_path / "old.pem").write_bytes(self_signed(key, days=-1))
    (tmp_path / "k.pem").write_bytes(pem_of(key))
    (tmp_path / "other.pem").write_bytes(pem_of(other))
    (tmp_path / "kind.pem").write_bytes(pem_of(ed25519.Ed25519PrivateKey.generate()))
    (tmp_path / "locked.pem").write_bytes(pem_of(key, b"secret"))
    (tmp_path / "text.pem").write_text("dear reader")
    for chain, own, words in (
        ("c", "other", "not that of the first certificate"),
        ("c", "kind", "not that of the first certificate"),
        ("c", "locked", "has a password"),
        ("c", "text", "expected a private key"),
        ("text", "k", "expected certificates"),
        ("old", "k", "expired on"),
    ):
        with pytest.raises(ValueError, match=words):
            read_certificate(tmp_path / f"{chain}.pem", tmp_path / f"{own}.pem")
    with pytest.raises(FileNotFoundError):
        read_certificate(tmp_path / "absent.pem", tmp_path / "k.pem")


def test_a_proper_certificate_is_accepted(certificate):
    try_certificate(certificate)
