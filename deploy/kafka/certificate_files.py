"""Where the certificates of users lie. Apart from making them: who only looks for a file loads no cryptography."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate and its private key lie, both PEM."""

    certificate: Path
    key: Path


def certificate_files(directory: Path, name: str) -> CertificateFiles:
    """Where the certificate and the key of `name` lie in `directory`."""
    return CertificateFiles(directory / f"{name}.pem", directory / f"{name}.key")
