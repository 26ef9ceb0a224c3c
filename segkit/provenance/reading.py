"""Read the credentials of a file: who signed, what is said, and whether it was changed since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.provenance.certificate import LOCAL_NAME
from segkit.provenance.signing import OFFLINE
from segkit.provenance.statement import LABEL

_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True)
class Credentials:
    """What a file's newest manifest says.

    Attributes:
        intact: signature and file are as they were signed.
        trusted: an anchor that the reader was given vouches for the signer.
        signer: name in the certificate.
        issuer: who the certificate says stands behind it.
        local: the certificate is, by its name, one that segkit made itself.
        generator: program that made the file.
        when: time of the first action, as the signer's clock had it.
        source_type: last part of the IPTC digital source type.
        actions: what was done, a phrase each.
        synthesis: segkit's own assertion; None in files of other programs.
        problems: what does not hold, a phrase each.
    """

    intact: bool
    trusted: bool = False
    signer: str | None = None
    issuer: str | None = None
    local: bool = False
    generator: str | None = None
    when: str | None = None
    source_type: str | None = None
    actions: tuple[str, ...] = ()
    synthesis: dict[str, Any] | None = None
    problems: tuple[str, ...] = field(default=())


def read_credentials(path: str | Path, *, trust: str | Path | None = None) -> Credentials | None:
    """Read and check what a file says about itself; nothing is asked of the network.

    Args:
        path: of a video or picture.
        trust: PEM file of the certificates whose word counts; without it nobody is trusted.

    Returns:
        None for a file without credentials.

    Raises:
        FileNotFoundError: no such file.
        ValueError: ``trust`` holds no certificates.
        ImportError: the C2PA library is not installed.
    """
    import c2pa

    settings: dict[str, Any] = dict(OFFLINE)
    if trust is not None:
        settings["trust"] = {"trust_anchors": _anchors(Path(trust))}
    with Path(path).open("rb") as file, ExitStack() as stack:
        context = stack.enter_context(c2pa.Context.from_dict(settings))
        try:
            reader = c2pa.Reader(None, file, context=context)
        except c2pa.C2paError as error:
            return _unreadable(error)
        stack.enter_context(reader)
        return _credentials(json.loads(reader.json()))


def _anchors(path: Path) -> str:
    from cryptography import x509

    text = path.read_bytes()
    try:
        x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise ValueError(f"{path}: expected certificates in PEM form ({error})") from error
    return text.decode()


def _unreadable(error: Exception) -> Credentials | None:
    import c2pa

    # A container that C2PA does not know has no place for credentials.
    if isinstance(error, (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported)):
        return None
    return Credentials(intact=False, problems=(str(error),))


def _credentials(store: dict[str, Any]) -> Credentials:
    manifest = store["manifests"][store["active_manifest"]]
    signature = manifest.get("signature_info", {})
    assertions = {one["label"]: one.get("data", {}) for one in manifest.get("assertions", ())}
    actions = [
        action
        for label, data in assertions.items()
        if label.startswith("c2pa.actions")
        for action in data.get("actions", ())
    ]
    first = actions[0] if actions else {}
    state = store.get("validation_state")
    return Credentials(
        intact=state in ("Valid", "Trusted"),
        trusted=state == "Trusted",
        signer=signature.get("common_name"),
        issuer=signature.get("issuer"),
        local=signature.get("common_name") == LOCAL_NAME,
        generator=_generator(manifest),
        when=first.get("when") or signature.get("time"),
        source_type=(first.get("digitalSourceType") or "").rpartition("/")[2] or None,
        actions=tuple(action.get("description") or action["action"] for action in actions),
        synthesis=assertions.get(LABEL),
        problems=tuple(dict.fromkeys(_problems(store))),
    )


def _generator(manifest: dict[str, Any]) -> str | None:
    for info in manifest.get("claim_generator_info") or ():
        return " ".join(part for part in (info.get("name"), info.get("version")) if part)
    return manifest.get("claim_generator")


def _problems(store: dict[str, Any]) -> Iterator[str]:
    for status in store.get("validation_status") or ():
        if status.get("code") != _UNTRUSTED:
            yield f"{status.get('explanation') or 'failed'} ({status.get('code')})"
