"""Content Credentials (C2PA): what a generated video says about itself, signed and read."""

from segkit.provenance.certificate import (
    Certificate,
    config_folder,
    local_certificate,
    read_certificate,
)
from segkit.provenance.delivery import add_credentials, chosen_certificate
from segkit.provenance.reading import Credentials, read_credentials
from segkit.provenance.signing import sign
from segkit.provenance.statement import Statement, statement_of

__all__ = [
    "Certificate",
    "Credentials",
    "Statement",
    "add_credentials",
    "chosen_certificate",
    "config_folder",
    "local_certificate",
    "read_certificate",
    "read_credentials",
    "sign",
    "statement_of",
]
