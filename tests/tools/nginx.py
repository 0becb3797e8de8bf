"""A real nginx for tests."""

import datetime as dt
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.tools.debian import SUITE, environment, unpacked

EXAMPLE = Path(__file__).parents[2] / "deploy/nginx/busbar.conf"
PACKAGES = ["nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3t64", "libzstd1", "zlib1g"]


def site(folder: Path, http: int, https: int, centres: tuple[int, int]) -> str:
    """The example of the repository, with these ports and a certificate of the test's own."""
    text = EXAMPLE.read_text()
    written = {
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        "127.0.0.1:8000": f"127.0.0.1:{centres[0]}",
        "127.0.0.1:8001": f"127.0.0.1:{centres[1]}",
        "/etc/ssl/busbar/": f"{folder}/",
    }
    for old, new in written.items():
        assert text.count(old) >= 1, f"{old} is not in {EXAMPLE}"
        text = text.replace(old, new)
    return text


def certify(folder: Path) -> Path:
    """Make the certificate and key that `site` names, for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return folder / "fullchain.pem"


def program() -> Path:
    """Raises debian.Unavailable."""
    return unpacked(f"nginx-{SUITE}", PACKAGES, "usr/sbin") / "usr/sbin/nginx"


def command(folder: Path, site: str) -> list[str]:
    """What runs nginx in the foreground with this server's configuration, all in `folder`.

    A line of its access.log: who answered, status, method, path.
    """
    scratch = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ log_format upstreams '$upstream_addr $status $request';\n"
        f"access_log {folder}/access.log upstreams;\n{scratch}{site}\n}}\n"
    )
    return [str(program()), "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(main)]


def check(folder: Path, site: str) -> str:
    """What `nginx -t` finds wrong; "" when nothing."""
    done = subprocess.run(
        [*command(folder, site), "-t"], capture_output=True, text=True, check=False,
        env=environment(),
    )  # fmt: skip
    return done.stderr if done.returncode or "warn" in done.stderr else ""


@contextmanager
def running(folder: Path, site: str) -> Iterator[None]:
    with subprocess.Popen(command(folder, site), env=environment()) as process:
        try:
            yield
        finally:
            process.terminate()
