"""Which SSH keys a host in FIPS mode takes. Pure.

OpenSSH under the crypto policy FIPS accepts RSA keys of 2048 bits and more, and ECDSA keys on the
NIST curves. Ed25519, DSA and security-key types are refused. The administrator's guide counts on
RSA alone.
"""

import base64
import binascii
import struct
from typing import List, NamedTuple, Optional

_MIN_RSA_BITS = 2048
_NIST = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_TYPES = ("ssh-rsa", "ssh-dss", "ssh-ed25519", *_NIST)
_SECURITY_KEYS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


class PublicKey(NamedTuple):
    """A key of a `.pub` or `authorized_keys` file. `bits` is known of RSA keys alone."""

    type: str
    bits: Optional[int]

    @property
    def works_in_fips_mode(self) -> bool:
        if self.type == "ssh-rsa":
            return self.bits is not None and self.bits >= _MIN_RSA_BITS
        return self.type in _NIST

    def __str__(self) -> str:
        return "{} of {} bits".format(self.type, self.bits) if self.bits else self.type


def parse(text: str) -> List[PublicKey]:
    """The keys of a file; options before a key, comments and what is no key are passed over."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        for word, data in zip(words, words[1:]):
            if word in _TYPES or word in _SECURITY_KEYS:
                found.append(PublicKey(word, _rsa_bits(data) if word == "ssh-rsa" else None))
                break
    return found


def _rsa_bits(data: str) -> Optional[int]:
    """Bits of the modulus: the third string of the key's blob (RFC 4253, section 6.6)."""
    try:
        blob = base64.b64decode(data.encode("ascii", "replace"), validate=True)
        for _field in ("type", "exponent"):
            (size,) = struct.unpack(">I", blob[:4])
            blob = blob[4 + size :]
        (size,) = struct.unpack(">I", blob[:4])
        modulus = blob[4 : 4 + size]
    except (binascii.Error, struct.error, ValueError):
        return None
    return int.from_bytes(modulus, "big").bit_length() if len(modulus) == size else None
