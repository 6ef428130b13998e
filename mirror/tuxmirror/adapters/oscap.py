"""OpenSCAP, the command: judges system characteristics and the machine itself.

Every run has a folder of its own that is gone afterwards, and a home of its own: a `.rpmmacros`
of whoever runs us must not decide which rpm database is read.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from ..core.errors import ConfigError, StorageError, VerificationError
from .files import storage_errors

_TIMEOUT = 600.0
_INSTALL = "dnf install openscap-scanner (Debian: apt install openscap-scanner)"


class Oscap:
    """See `ports.OvalScanner`."""

    def __init__(self, program: str = "oscap") -> None:
        self._program = program

    def analyse(self, definitions: bytes, characteristics: bytes, html: bool = False) -> bytes:
        with tempfile.TemporaryDirectory(prefix="tuxmirror-oscap-") as name:
            folder = Path(name)
            with storage_errors(folder):
                (folder / "definitions.xml").write_bytes(definitions)
                (folder / "characteristics.xml").write_bytes(characteristics)
            self._run(
                folder,
                "oval", "analyse", "--skip-valid", "--results", "results.xml",
                "definitions.xml", "characteristics.xml",
            )  # fmt: skip
            if html:
                self._run(folder, "oval", "generate", "report", "-o", "report.html", "results.xml")
            return _read(folder / ("report.html" if html else "results.xml"))

    def validate(self, definitions: bytes, schematron: bool = False) -> None:
        rules = "--schematron" if schematron else "--skip-schematron"
        with tempfile.TemporaryDirectory(prefix="tuxmirror-oscap-") as name:
            with storage_errors(Path(name)):
                Path(name, "definitions.xml").write_bytes(definitions)
            self._run(Path(name), "oval", "validate", rules, "definitions.xml")

    def _run(self, folder: Path, *arguments: str) -> None:
        try:
            result = subprocess.run(
                [self._program, *arguments],
                cwd=folder,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "LC_ALL": "C",
                    "HOME": str(folder),
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            raise ConfigError("OpenSCAP is not installed here", way_out=_INSTALL) from None
        except subprocess.TimeoutExpired:
            raise StorageError(
                "OpenSCAP did not come to an end", expected=f"an answer within {_TIMEOUT:.0f} s"
            ) from None
        complaints = result.stderr.decode(errors="replace")
        if result.returncode or "No syschar for object" in complaints:
            raise VerificationError(
                "OpenSCAP could not judge the definitions",
                expected="exit status 0",
                found=f"exit status {result.returncode}: {complaints.strip()[-500:]}",
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise VerificationError(f"OpenSCAP wrote no {path.name}") from None
