"""A small certificate authority for local worlds and tests: the broker's certificate, and one for each user.

Rules:
- Keys are elliptic (P-256), files are PEM, and a private key is its owner's alone to read.
- A user's certificate carries its name as the common name, alone: the broker makes its principal of that.
- Validity comes from outside, so that a test can have what has run out.

Production has an authority of its own; nothing but the files is the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.private_files import write_private
from deploy.kafka.certificate_files import CertificateFiles

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 365
SKEW: Final = timedelta(hours=1)
"""A certificate holds from a little before its making: clocks differ."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority with its key. `directory` holds `ca.pem`, which everybody may have, and `ca.key`."""

    directory: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, directory: Path, name: str, now: datetime) -> Self:
        """Make an authority in `directory`, which must exist."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key.public_key(), now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        authority = cls(directory, certificate, key)
        write_private(directory / "ca.key", _pem_of(key))
        write_private(authority.file, certificate.public_bytes(Encoding.PEM).decode("ascii"))
        return authority

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read what `create` made."""
        key = load_pem_private_key((directory / "ca.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"`{directory / 'ca.key'}` holds a `{type(key).__name__}`, expected an elliptic key")
        return cls(directory, x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes()), key)

    @property
    def file(self) -> Path:
        """The authority's own certificate, which its clients trust."""
        return self.directory / "ca.pem"

    def issue_to_server(
        self, files: CertificateFiles, hosts: Sequence[str], now: datetime, days: int = CERTIFICATE_DAYS
    ) -> CertificateFiles:
        """Write a broker's certificate for `hosts` (names or addresses), valid for `days` from `now`, and its key."""
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        return self._issue(files, "broker", ExtendedKeyUsageOID.SERVER_AUTH, now, days, names)

    def issue_to_client(
        self, files: CertificateFiles, user: str, now: datetime, days: int = CERTIFICATE_DAYS
    ) -> CertificateFiles:
        """Write a client's certificate in the name of Kafka user `user`, valid for `days` from `now`, and its key."""
        return self._issue(files, user, ExtendedKeyUsageOID.CLIENT_AUTH, now, days, None)

    def _issue(
        self,
        files: CertificateFiles,
        name: str,
        purpose: x509.ObjectIdentifier,
        now: datetime,
        days: int,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> CertificateFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(_name(name), self.certificate.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        write_private(files.key, _pem_of(key))
        write_private(files.certificate, certificate.public_bytes(Encoding.PEM).decode("ascii"))
        return files


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
