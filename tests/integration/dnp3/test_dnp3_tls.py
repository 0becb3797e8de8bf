"""DNP3 over mutual TLS."""

import asyncio
import contextlib
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drivers.dnp3.codec.objects import PointType
from drivers.dnp3.lines import client_tls, connect_tcp, server_tls
from drivers.dnp3.master import Association, MasterChannel, operations
from drivers.dnp3.outstation import Database, OutstationServer, OutstationSettings
from hub import HubError, LinkError

USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
)


def certificate(name: str, issuer: Any, issuer_key: Any, own: Any) -> Any:
    """Signed by `issuer`; by itself, as an authority, when there is none."""
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .add_extension(authority, False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False)
    )
    if issuer is None:
        usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **dict.fromkeys(USAGES, False))
        builder = builder.add_extension(usage, True)
    return builder.sign(issuer_key, hashes.SHA256())


def write(folder: Path, name: str, cert: Any, key: Any) -> None:
    (folder / f"{name}.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def authorities(folder: Path) -> None:
    """An authority with a certificate for each side, and a stranger's."""
    for root, names in (("ca", ("rtu", "master")), ("stranger-ca", ("stranger",))):
        root_key = ec.generate_private_key(ec.SECP256R1())
        root_cert = certificate(root, None, root_key, root_key)
        write(folder, root, root_cert, root_key)
        for name in names:
            key = ec.generate_private_key(ec.SECP256R1())
            write(folder, name, certificate(name, root_cert.subject, root_key, key), key)


async def test_both_sides_are_asked_for_their_certificate(tmp_path: Path) -> None:
    await asyncio.to_thread(authorities, tmp_path)

    def context(maker: Any, name: str) -> Any:
        files = (tmp_path / "ca.pem", tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        return maker(*map(str, files))

    database = Database({PointType.AI: range(400)})
    database.load(PointType.AI, np.zeros(400), 0x01, 0)
    outstation = OutstationServer(OutstationSettings(keep_alive=None), database)
    ours = context(client_tls, "master")
    async with outstation.listen("127.0.0.1", 0, context(server_tls, "rtu")) as port:
        line = await connect_tcp("127.0.0.1", port, within=3, tls=ours, name="rtu")
        peer = Association(MasterChannel(line), 10, timeout=2)
        await operations.startup(peer)
        assert len((await operations.integrity(peer)).fragments) == 1
        line.close()
        with pytest.raises(LinkError):
            await connect_tcp("127.0.0.1", port, within=3, tls=ours, name="other")
        stranger = context(client_tls, "stranger")
        with contextlib.suppress(LinkError):
            line = await connect_tcp("127.0.0.1", port, within=3, tls=stranger, name="rtu")
            with pytest.raises(HubError):
                await operations.integrity(Association(MasterChannel(line), 10, timeout=1))
            line.close()
