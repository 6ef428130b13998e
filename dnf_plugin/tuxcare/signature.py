"""Whether an RPM file is signed by one key.

The header's signature is what counts: it covers the main header, whose payload digest binds the
payload, and rpm checks that digest as it installs. rpm's hdrFromFdno also accepts a package without
a signature, one made with SHA-1, and one by a revoked key: those are refused here.
"""

import os

import rpm

from tuxcare import pgpkey

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence, Tuple

_SIGNATURE = 2
_KEY_REVOCATION = 0x20
_STRONG_HASHES = {8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 12: "SHA3-256", 14: "SHA3-512"}


class KeyChecker:
    """Checks RPM files against one public key file that holds exactly the expected key."""

    def __init__(self, key_path: str, fingerprint: str) -> None:
        """`fingerprint` is bare upper-case hex. Nothing is read before the first check."""
        self._key_path = key_path
        self._fingerprint = fingerprint
        self._transaction_set: Optional[rpm.TransactionSet] = None
        self._known: Dict[Tuple[object, ...], Optional[str]] = {}

    def problem(self, path: str, nevra: "Optional[Sequence[object]]" = None) -> "Optional[str]":
        """Why the file is not one signed by the key; None if it is.

        With `nevra` (name, epoch, version, release, arch, sourcerpm) the header must also be that
        package's: metadata may claim anything.
        """
        try:
            stat = os.stat(path)
            file = (
                path,
                stat.st_dev,
                stat.st_ino,
                stat.st_size,
                stat.st_mtime_ns,
                stat.st_ctime_ns,
            )
            if file not in self._known:
                self._known[file] = self._check(path, nevra)
            return self._known[file]
        except rpm.error as error:
            return "not signed by key {} ({})".format(self._fingerprint[-16:], error)
        except (ValueError, OSError) as error:
            return "its signature cannot be checked: {}".format(error)

    def _check(self, path: str, nevra: "Optional[Sequence[object]]") -> "Optional[str]":
        transaction_set = self._transaction_set or self._isolated_transaction_set()
        self._transaction_set = transaction_set
        # rpm would warn on the terminal of every key it does not know. NOTICE is its default, and
        # what dnf goes back to.
        rpm.setVerbosity(rpm.RPMLOG_CRIT)
        try:
            header = _read_header(transaction_set, path)
        finally:
            rpm.setVerbosity(rpm.RPMLOG_NOTICE)
        return _signature_problem(header) or _identity_problem(header, nevra)

    def _isolated_transaction_set(self) -> "rpm.TransactionSet":
        """One that knows our key alone, whatever the rpm database has imported."""
        keyring = rpm.keyring()
        keyring.addKey(rpm.pubkey(self._armoured_key()))
        transaction_set = rpm.TransactionSet()
        transaction_set.setKeyring(keyring)
        transaction_set.setVSFlags(0)
        return transaction_set

    def _armoured_key(self) -> bytes:
        with open(self._key_path, "rb") as stream:
            data = stream.read()
        try:
            found = pgpkey.fingerprints(data)
            blocks = pgpkey.key_blocks(data)
            revoked = any(_is_revocation(*packet) for b in blocks for packet in pgpkey.packets(b))
        except ValueError as error:
            raise ValueError("{}: {}".format(self._key_path, error)) from error
        if set(found) != {self._fingerprint}:
            raise ValueError(
                "{}: expected the key {}, found {}".format(
                    self._key_path, self._fingerprint, ", ".join(found)
                )
            )
        if revoked:
            raise ValueError("{}: the key {} is revoked".format(self._key_path, self._fingerprint))
        return data


def _read_header(transaction_set: "rpm.TransactionSet", path: str) -> "rpm.hdr":
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return transaction_set.hdrFromFdno(descriptor)
    finally:
        os.close(descriptor)


def _is_revocation(tag: int, body: bytes) -> bool:
    return (
        tag == _SIGNATURE and len(body) > 1 and body[0] in (4, 5, 6) and body[1] == _KEY_REVOCATION
    )


def _signature_problem(header: "rpm.hdr") -> "Optional[str]":
    signature = header[rpm.RPMTAG_RSAHEADER] or header[rpm.RPMTAG_DSAHEADER]
    if not signature:
        return "is not signed"
    packets = list(pgpkey.packets(bytes(signature)))
    if len(packets) != 1 or packets[0][0] != _SIGNATURE:
        return "has a header signature that is none"
    body = packets[0][1]
    if len(body) < 4 or body[0] not in (4, 6) or body[3] not in _STRONG_HASHES:
        return "is signed with a hash that is too weak"
    return None


def _identity_problem(header: "rpm.hdr", nevra: "Optional[Sequence[object]]") -> "Optional[str]":
    if nevra is None:
        return None
    found = (
        _text(header[rpm.RPMTAG_NAME]),
        header[rpm.RPMTAG_EPOCH] or 0,
        _text(header[rpm.RPMTAG_VERSION]),
        _text(header[rpm.RPMTAG_RELEASE]),
        _text(header[rpm.RPMTAG_ARCH]),
        _text(header[rpm.RPMTAG_SOURCERPM]),
    )
    if found != tuple(nevra):
        return "is not what its repository says: the file holds {}".format(found[-1])
    return None


def _text(value: object) -> object:
    """EL8's bindings give bytes where newer ones give text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
