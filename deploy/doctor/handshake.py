"""From the broker's name to its first answer, made by hand: Kafka clients tell all that can fail here as a timeout.

Rules:
- Each step is made the way a client makes it, and ends: five seconds are enough for a broker that is there.
- The handshake is this machine's own, so it knows whose certificate was refused by whom. A broker of TLS 1.3 refuses a
  client's certificate only after the handshake: the first answer belongs to the step.
- The first question asks for the versions that the broker speaks, which every listener answers before anything else.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from contracts.connection import KafkaConnection
from deploy.doctor.findings import BROKER, HERE, NETWORK, Finding, not_tried, ok, refused

SECONDS_MAX: Final = 5.0
ALERT: Final = 0x15
"""The first byte of a TLS alert: what a TLS listener answers to whoever does not speak TLS."""
_ASK_VERSIONS: Final = struct.pack(">ihhihs", 11, 18, 0, 1, 1, b"x")

_AUTHORITY_FIX: Final = "take the authority's certificate from the operator and name it as the CA file"
_CERTIFICATE_WRONG: Final[dict[int, tuple[str, str]]] = {
    10: ("the broker's certificate has run out", "tell the operator; check this machine's clock too"),
    9: ("the broker's certificate does not hold yet", "check this machine's clock"),
    18: ("the broker's certificate is signed by itself, not by the CA file's authority", _AUTHORITY_FIX),
    19: ("the broker's certificate comes from another authority than the CA file's", _AUTHORITY_FIX),
    20: ("the broker's certificate comes from another authority than the CA file's", _AUTHORITY_FIX),
    62: ("the broker's certificate is for another name", "call the broker by a name that its certificate has"),
    64: ("the broker's certificate is for another address", "call the broker by a name that its certificate has"),
}
"""By OpenSSL's verification code."""
_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "it wants a client certificate, and got none",
    "CERTIFICATE_EXPIRED": "the client certificate has run out",
    "UNKNOWN_CA": "the client certificate comes from an authority that the broker does not know",
    "CERTIFICATE_UNKNOWN": "the client certificate is not one that the broker takes (other authority, or run out)",
    "BAD_CERTIFICATE": "the client certificate is none that the broker takes (missing, other authority, other purpose)",
    "UNSUPPORTED_CERTIFICATE": "the client certificate is for another purpose",
    "HANDSHAKE_FAILURE": "client and broker have no protocol in common, or a client certificate is missing",
    "PROTOCOL_VERSION": "client and broker have no version of TLS in common",
}
"""By the alert that the broker sent."""
_PORT_DIGITS_MAX: Final = 5
_STEPS: Final = ("name", "connection", "encryption", "first answer")


def look_at_address(connection: KafkaConnection, address: str) -> Iterator[Finding]:
    """Yield a finding for each step to one `host:port`; the steps after a refusal are not tried."""
    host, _, port = address.rpartition(":")
    for done, finding in enumerate(_steps(connection, host.strip("[]"), port), start=1):
        yield finding
        if finding.outcome == "refused":
            for step in _STEPS[done:]:
                yield not_tried(step, f"rests on the {_STEPS[done - 1]}")
            return


def look_at_own_certificate(connection: KafkaConnection, now: datetime) -> Finding | None:
    """Look at the client certificate that this side would show; `None` where it shows none."""
    step = "own certificate"
    if not connection.certificate_file:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(Path(connection.certificate_file).read_bytes())
    except (OSError, ValueError) as error:
        return refused(step, HERE, f"cannot be read ({type(error).__name__})", "name a certificate file in PEM form")
    named = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if named != [connection.user]:
        who = ", ".join(f"`{name}`" for name in named) or "nobody"
        return refused(
            step, HERE, f"it is for {who}, the user is `{connection.user}`", "name the certificate of this very user"
        )
    if now > certificate.not_valid_after_utc:
        return refused(step, HERE, f"it ran out on {certificate.not_valid_after_utc:%Y-%m-%d}", "have it renewed")
    return ok(step, f"for `{connection.user}`, until {certificate.not_valid_after_utc:%Y-%m-%d}")


def _steps(connection: KafkaConnection, host: str, port: str) -> Iterator[Finding]:
    if not (host and port.isdecimal() and len(port) <= _PORT_DIGITS_MAX and int(port) < 65536):
        yield refused("name", HERE, f"`{host}:{port}` is no address", "write `host:port`")
        return
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        yield refused(
            "name", HERE, f"`{host}` has no address ({error.strerror})", "check the name and this machine's DNS"
        )
        return
    except ValueError:  # a UnicodeError too: a name is put in the form of the DNS before anybody is asked for it
        yield refused(
            "name", HERE, f"`{host}` cannot be a name", "write labels of 1 to 63 letters, digits and `-` between dots"
        )
        return
    yield ok("name", f"`{host}` is {', '.join(sorted({str(entry[4][0]) for entry in found}))}")
    try:
        stream = socket.create_connection((host, int(port)), timeout=SECONDS_MAX)
    except ConnectionRefusedError:
        yield refused(
            "connection", NETWORK, f"nothing listens on port {port}", "check the port, and that the broker runs"
        )
        return
    except OSError as error:
        yield refused(
            "connection", NETWORK, f"no way there ({type(error).__name__})", "ask who keeps the firewalls in between"
        )
        return
    with stream:
        yield ok("connection", f"port {port} is open")
        yield from _talk(connection, host, stream)


def _talk(connection: KafkaConnection, host: str, stream: socket.socket) -> Iterator[Finding]:
    if not connection.uses_tls:
        yield not_tried("encryption", f"`{connection.security_protocol}` has none: one machine only")
        yield _first_answer(connection, stream)
        return
    try:
        context = _context(connection)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "reason", None) or type(error).__name__
        yield refused(
            "encryption",
            HERE,
            f"CA, certificate or key file does not work ({reason})",
            "name PEM files that belong together",
        )
        return
    try:
        with context.wrap_socket(stream, server_hostname=host) as encrypted:
            until = _until(encrypted)
            yield ok("encryption", f"{encrypted.version()}, the broker proved its name{until}")
            yield _first_answer(connection, encrypted)
    except OSError as error:
        yield _failed_handshake(error)
    except ValueError:
        yield refused(
            "encryption",
            HERE,
            f"`{host}` can be the name of no certificate",
            "call the broker by a name that its certificate has",
        )


def _context(connection: KafkaConnection) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=connection.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.certificate_file:
        context.load_cert_chain(connection.certificate_file, connection.key_file)
    return context


def _until(encrypted: ssl.SSLSocket) -> str:
    shown = encrypted.getpeercert() or {}
    ends = shown.get("notAfter")
    if not isinstance(ends, str):
        return ""
    return f" until {datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC):%Y-%m-%d}"


def _failed_handshake(error: OSError) -> Finding:
    if isinstance(error, ssl.SSLCertVerificationError):
        what, fix = _CERTIFICATE_WRONG.get(error.verify_code, (error.verify_message, _AUTHORITY_FIX))
        return refused("encryption", HERE, what, fix)
    if isinstance(error, ssl.SSLError):
        if alert := _alert(error):
            return refused(
                "encryption", BROKER, alert, "use a client certificate of the authority that the broker knows"
            )
        return refused(
            "encryption", BROKER, "its answer is no TLS", "check the port: this listener may take `SASL_PLAINTEXT`"
        )
    return refused("encryption", BROKER, f"it ended the handshake ({type(error).__name__})", "check the port")


def _first_answer(connection: KafkaConnection, stream: socket.socket) -> Finding:
    step = "first answer"
    try:
        stream.sendall(_ASK_VERSIONS)
        answer = stream.recv(8)
    except ssl.SSLError as error:
        said = _alert(error) or f"it ended the encryption ({error.reason})"
        return refused(step, BROKER, said, "use a client certificate of the authority that the broker knows")
    except TimeoutError:
        return refused(step, BROKER, "no answer within five seconds", "check the port: is this a Kafka broker")
    except OSError:
        answer = b""
    if not answer:
        return _closed(connection)
    if answer[0] == ALERT and not connection.uses_tls:
        return refused(step, BROKER, "this listener speaks TLS", "set `SASL_SSL`, or `SSL` with a client certificate")
    if len(answer) < 8 or answer[4:8] != _ASK_VERSIONS[8:12]:
        return refused(step, BROKER, "its answer is not Kafka's", "check the port: is this a Kafka broker")
    return ok(step, "a Kafka broker")


def _closed(connection: KafkaConnection) -> Finding:
    if connection.security_protocol == "SSL":
        return refused(
            "first answer",
            BROKER,
            "it took the certificate and then closed: the name in it is no user's, or the port is for passwords",
            "have a certificate made whose common name is the Kafka user; check the port",
        )
    return refused("first answer", BROKER, "it closed the connection", "check the port: is this a Kafka broker")


def _alert(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    return next((said for alert, said in _ALERTS.items() if reason.endswith(f"ALERT_{alert}")), "")
