"""Certificates that nobody has signed, for listeners of ours."""

import subprocess
from pathlib import Path


def make_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate of this name for `localhost` and its key, and return both paths."""
    cert, key = directory / f"{name}.cert.pem", directory / f"{name}.key.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subject = ["-subj", f"/O={name}/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*words.split(), *subject, *files], check=True, capture_output=True, timeout=30)
    for path in (cert, key):
        path.chmod(0o600)
    return cert, key
