"""A Java trust store with the certificates this machine trusts.

A Java from the package index brings its own list of authorities and knows nothing of those that
an administrator has added, so behind a company's proxy it cannot download what pip can.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import struct
from pathlib import Path

PASSWORD = "changeit"
"""Java's customary one. Certificates are public; the password only guards against accidents."""

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def authorities() -> list[bytes]:
    """DER certificates that Python and pip trust here; empty when no bundle is found."""
    paths = [os.environ.get("PIP_CERT"), ssl.get_default_verify_paths().cafile, *_BUNDLES]
    for path in paths:
        if path and os.path.isfile(path):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cafile=path)
            found = context.get_ca_certs(binary_form=True)
            if found:
                return found
    return []


def key_store(certificates: list[bytes]) -> bytes:
    """The certificates as a JKS file.

    Layout, big-endian (OpenJDK ``sun.security.provider.JavaKeyStore``): magic, version 2, count; per
    entry the tag 2 (trusted certificate), alias, milliseconds, ``X.509``, length and DER bytes; at
    the end SHA-1 over the password (UTF-16), the words "Mighty Aphrodite" and all of it.
    """
    body = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        body += struct.pack(">I", 2) + _text(f"authority-{number}") + struct.pack(">Q", 0)
        body += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    return body + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def java_options(folder: Path) -> list[str]:
    """Options that make a Java trust what this machine trusts; the store is written to `folder`."""
    certificates = authorities()
    if not certificates:
        return []
    store = folder / "authorities.jks"
    store.write_bytes(key_store(certificates))
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
        "-Djavax.net.ssl.trustStoreType=JKS",
    ]


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded
