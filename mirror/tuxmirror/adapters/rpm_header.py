"""The cheap and complete check of a package: its header by rpm, its payload by SHA-2.

`rpmkeys` reads and hashes a package's payload two or three times and is a process of its own.
Where nothing is odd, one pass is as strong: rpm verifies signature and digest of the header against
the keys of its database, and the digest that the signed header promises is compared with the
payload. Whatever does not pass here goes to `rpmkeys`, whose verdict and words count.

What a package is said to be signed by are rpm's own lines of the verification, out of its log. The
signature tags of a header would not do: a tag in the main header hides the one that was verified.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

import rpm

# RPMVSF_NOMD5 and RPMVSF_NOSHA1HEADER (rpm/rpmts.h): they prove nothing any more, take as long as
# all the rest, and a machine in FIPS mode does not have them. The SHA-256 digests stay required.
SKIPPED_DIGESTS = 0x20100
# RFC 4880, 9.4, as PAYLOADDIGESTALGO numbers them.
_DIGESTS = {8: "sha256", 9: "sha384", 10: "sha512"}
# Over header and payload, as rpm before 4.14 signed; `rpmkeys` checks them.
_LEGACY_SIGNATURES = (rpm.RPMTAG_SIGPGP, rpm.RPMTAG_SIGGPG)
# `D: <file>: <what>: OK`, one a line; nothing else may be in the log.
_GOOD_LINE = re.compile(
    r"D: .*: (Header (?:SHA\d+ digest|V\d \S+ Signature, key ID [0-9a-f]+): OK)"
)
_LOG_BYTES = 1 << 16


class HeaderCheck:
    """One for a process: rpm's database path, log and verbosity are process-global."""

    def __init__(self, database: str) -> None:
        rpm.addMacro("_dbpath", database)
        # Held: rpm writes into it as long as it lives.
        self._log_file = os.fdopen(os.memfd_create("rpm-log"), "r+b", buffering=0)
        self._log = self._log_file.fileno()
        rpm.setLogFile(self._log_file)
        rpm.setVerbosity(rpm.RPMLOG_DEBUG)
        self._verifying = rpm.TransactionSet()
        self._verifying.setVSFlags(SKIPPED_DIGESTS)
        # Loaded now, it does not talk into the first package's log.
        self._verifying.getKeyring()
        self._reading = rpm.TransactionSet()
        self._reading.setVSFlags(-1)
        self._buffer = memoryview(bytearray(1 << 18))

    def verified(self, path: str) -> tuple[str, list[object]] | None:
        """The lines of a good package as `rpmkeys -Kv` prints them, and its header's fields.

        None where that takes `rpmkeys` to say.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            os.ftruncate(self._log, 0)
            header = self._verifying.hdrFromFdno(descriptor)
            lines = self._said()
            if lines is None or any(header[tag] for tag in _LEGACY_SIGNATURES):
                return None
            payload = self._payload(descriptor, header)
        except (rpm.error, OSError):
            return None
        finally:
            os.close(descriptor)
        return None if payload is None else ("\n".join([*lines, payload]), fields(header))

    def _said(self) -> list[str] | None:
        """What rpm verified of the header; None unless all is good, a signature among it."""
        log = os.pread(self._log, _LOG_BYTES, 0).decode(errors="replace")
        lines = [_GOOD_LINE.fullmatch(line) for line in log.splitlines()]
        good = [line[1] for line in lines if line]
        if len(good) < len(lines) or not any("Signature" in line for line in good):
            return None
        return good

    def _payload(self, descriptor: int, header: Any) -> str | None:
        """The line for the payload, which begins where rpm stopped reading."""
        digests = header[rpm.RPMTAG_PAYLOADDIGEST]
        name = _DIGESTS.get(header[rpm.RPMTAG_PAYLOADDIGESTALGO])
        if name is None or len(digests) != 1:
            return None
        digest = hashlib.new(name)
        with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
            while number := file.readinto(self._buffer):
                digest.update(self._buffer[:number])
        return f"Payload {name.upper()} digest: OK" if digest.hexdigest() == digests[0] else None

    def read(self, path: str) -> list[object] | None:
        """The fields of an unverified header; None where there is no header."""
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                return fields(self._reading.hdrFromFdno(file.fileno()))
        except (rpm.error, OSError):
            return None


def fields(header: Any) -> list[object]:
    """Those of `core.package.Header`, in its order."""
    source = header.isSource()
    return [
        header[rpm.RPMTAG_NAME],
        header[rpm.RPMTAG_EPOCH] or 0,
        header[rpm.RPMTAG_VERSION],
        header[rpm.RPMTAG_RELEASE],
        ("nosrc" if header[rpm.RPMTAG_NOSOURCE] else "src") if source else header[rpm.RPMTAG_ARCH],
        header[rpm.RPMTAG_BUILDTIME],
        header[rpm.RPMTAG_SOURCERPM] or "",
    ]
