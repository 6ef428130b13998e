"""TLS for servers of tests: an authority of the test's own, and certificates good and bad.

authority = Authority(tmp_path / "ca")
with Httpd(folder, tls=authority.server()) as httpd: …    # https://127.0.0.1:PORT
site.ca_file = authority.certificate                      # the program trusts it and no other
"""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """Signs certificates for 127.0.0.1.

    Attributes:
        certificate: its own, PEM.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", self._key, "-out", self.certificate, "-days", "2"),
            *("-subj", f"/CN={folder.name}", "-addext", "basicConstraints=critical,CA:TRUE"),
        )

    def issue(self, name: str = "IP:127.0.0.1", days: int = 1) -> tuple[Path, Path]:
        """A certificate and its key; `days` below 0 is one that has expired."""
        stem = f"{name.replace(':', '-')}-{days}"
        request, key, made, more = (
            self._folder / f"{stem}.{kind}" for kind in ("csr", "key", "pem", "ext")
        )
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", key, "-out", request, "-subj", "/CN=test"),
        )
        more.write_text(f"subjectAltName={name}\n")
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key),
            *("-CAcreateserial", "-days", days, "-extfile", more, "-out", made),
        )
        return made, key

    def server(self, name: str = "IP:127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """For a server that shows such a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self.issue(name, days)
        context.load_cert_chain(certificate, key)
        return context


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
