"""Certificates that sign: one of the user's, or a local one that is made on first use."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

CONFIG_VARIABLE = "SEGKIT_CONFIG"
"""Environment variable that names the folder of settings; the platform's own otherwise."""

LOCAL_NAME = "segkit local certificate"
"""Who a local certificate says it is: nobody, since nobody has checked."""

_VALID = timedelta(days=3650)
# Clocks of two computers differ; a certificate must not begin in another one's future.
_CLOCK_SLACK = timedelta(minutes=10)
_CHAIN, _KEY = "certificate.pem", "key.pem"


@dataclass(frozen=True)
class Certificate:
    """A certificate chain and its private key.

    Attributes:
        chain: PEM, the signer's certificate first.
        key: PEM of the private key, PKCS 8, without a password.
        algorithm: as C2PA names it, such as ``"es256"``.
        local: made by segkit on this computer, vouched for by nobody.
    """

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str
    local: bool = False


def config_folder() -> Path:
    """Return the folder of segkit's settings: ``SEGKIT_CONFIG``, or where the platform has them."""
    if given := os.environ.get(CONFIG_VARIABLE):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "segkit"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "segkit"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "segkit"


def local_certificate(folder: Path | None = None) -> Certificate:
    """Return the certificate of this computer and user; the first call makes it.

    It signs with a key of its own, readable by its owner alone. The authority that issues it exists
    only for that moment: C2PA refuses certificates that sign themselves.

    Args:
        folder: where it lies; ``credentials`` in `config_folder` by default.

    Raises:
        ValueError: it has expired, or its files are damaged.
        OSError: the folder cannot be written.
    """
    folder = config_folder() / "credentials" if folder is None else folder
    if not folder.is_dir():
        _write_local(folder)
    try:
        return _loaded(folder / _CHAIN, folder / _KEY, local=True)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{error}; delete {folder}, and the next video makes a new one") from error


def read_certificate(chain: str | Path, key: str | Path) -> Certificate:
    """Read a certificate of the user's own.

    Args:
        chain: PEM file, the signer's certificate first, then those that vouch for it.
        key: PEM file of its private key, without a password.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not PEM, a password, a key of another certificate or kind, or expired.
    """
    return _loaded(Path(chain), Path(key), local=False)


def _loaded(chain: Path, key: Path, *, local: bool) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    encoding, form = serialization.Encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    except ValueError as error:
        raise ValueError(f"{chain}: expected certificates in PEM form ({error})") from error
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except TypeError as error:
        raise ValueError(f"{key}: the key has a password; give one without") from error
    except ValueError as error:
        raise ValueError(f"{key}: expected a private key in PEM form ({error})") from error
    if private.public_key().public_bytes(encoding.DER, form) != leaf.public_key().public_bytes(
        encoding.DER, form
    ):
        raise ValueError(f"{key}: the key is not that of the first certificate in {chain}")
    if leaf.not_valid_after_utc < datetime.now(timezone.utc):
        raise ValueError(f"{chain}: the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    return Certificate(chain.read_bytes(), _pkcs8(private), _algorithm(private, key), local)


def _algorithm(key: Any, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
        if key.curve.name in curves:
            return curves[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError(f"{path}: expected an EC (P-256, P-384, P-521), RSA or Ed25519 key")


def _pkcs8(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_local(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made aside and renamed as a whole: two first videos at once end up with one certificate.
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        chain, key = _issue()
        (part / _CHAIN).write_bytes(chain)
        descriptor = os.open(part / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        try:
            os.rename(part, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _issue() -> tuple[bytes, bytes]:
    """Make a chain and the key of its first certificate; the authority's key is forgotten."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(common: str) -> x509.Name:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "segkit, checked by nobody")
        return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = name("segkit local authority")
    root = _certificate(authority, issuer, subject=issuer, public=authority.public_key())
    leaf = _certificate(authority, issuer, subject=name(LOCAL_NAME), public=key.public_key())
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root))
    return chain, _pkcs8(key)


def _certificate(authority: Any, issuer: Any, *, subject: Any, public: Any) -> Any:
    """Build a certificate of the C2PA profile, signed by the authority.

    Source: C2PA specification 2.1, section 14.5.1.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    is_root = subject == issuer
    own = x509.SubjectKeyIdentifier.from_public_key(public)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(is_root, 0 if is_root else None), critical=True)
        .add_extension(_usage(is_root=is_root), critical=True)
        .add_extension(own, critical=False)
        .add_extension(above, critical=False)
    )
    if not is_root:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(authority, hashes.SHA256())


def _usage(*, is_root: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_root,
        key_cert_sign=is_root,
        crl_sign=is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
