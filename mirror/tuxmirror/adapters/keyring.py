"""The keys of one tree, by gpg, and the rpm database that holds the same keys and no other."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import gnupg

from ..core.errors import ConfigError, SignatureError
from ..ports import SignedText
from .files import storage_errors

# RFC 4880, 9.4, as gpg's VALIDSIG reports them.
_STRONG_HASHES = {"8": "SHA-256", "9": "SHA-384", "10": "SHA-512"}
_TOO_MUCH = 64 * 1024
_TOO_MUCH_TEXT = 1 << 20
# RFC 4880, 7. Nothing before, between or after it: gpg would pass over that in silence.
_CLEARSIGNED = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:Hash: [^\r\n]+\r?\n)*\r?\n"
    rb"(?:(?!-----)[^\n]*\n)*"
    rb"-----BEGIN PGP SIGNATURE-----\r?\n(?:(?!-----)[^\n]*\n)*-----END PGP SIGNATURE-----\s*"
)
# gpg's status words, doc/DETAILS.
_BAD = {
    "BADSIG": "the signature does not hold: it is not over this file",
    "EXPKEYSIG": "signed by an expired key",
    "REVKEYSIG": "signed by a revoked key",
    "EXPSIG": "the signature has expired",
    "ERRSIG": "the signature does not hold: by an unknown key, or over a weak digest",
}
_NONE = "there is no signature of this file in it"


class GpgKeyring:
    """See `ports.Keyring`. Lives in a folder of its own, below `scratch`, that goes with `close`.

    Attributes:
        scratch: for what goes with it, such as an rpm database of its keys.
        fingerprints: of the primary keys allowed.
        key_ids: long ids of the keys and subkeys whose signature counts.
    """

    def __init__(
        self, files: Iterable[Path], allowed: Iterable[str] = (), scratch: Path | None = None
    ) -> None:
        self.scratch = scratch
        # By primary key: the ids of itself and of its subkeys that are not revoked.
        self._parts: dict[str, list[str]] = {}
        self._home = _folder("tuxmirror-keys-", scratch)
        # Public keys need no agent; one would outlive a killed run.
        options = ["--no-auto-check-trustdb", "--no-autostart"]
        self._gpg = gnupg.GPG(gnupghome=str(self._home), options=options)
        try:
            self.fingerprints, self.key_ids = self._load(list(files), set(allowed))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)

    def _load(self, files: list[Path], allowed: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        for file in files:
            try:
                data = file.read_bytes()
            except OSError as error:
                raise ConfigError(f"gpgkey {file}: {error.strerror}") from None
            if not self._gpg.import_keys(data.decode("latin-1")).fingerprints:
                raise ConfigError(f"gpgkey {file}: not an OpenPGP public key")
        keys = [key for key in self._gpg.list_keys() if key["trust"] != "r"]
        known = {key["fingerprint"] for key in keys}
        if allowed - known:
            raise ConfigError(
                "fingerprints: not among the keys of gpgkey, or revoked",
                expected=", ".join(sorted(known)) or "a key that is not revoked",
                found=", ".join(sorted(allowed - known)),
            )
        chosen = [key for key in keys if not allowed or key["fingerprint"] in allowed]
        if not chosen:
            raise ConfigError("gpgkey: no key that is not revoked")
        for key in chosen:
            subkeys = key.get("subkey_info", {})
            good = [id_ for id_, info in subkeys.items() if info.get("trust") != "r"]
            self._parts[key["fingerprint"]] = [key["keyid"], *good]
        ids = frozenset(id_ for parts in self._parts.values() for id_ in parts)
        return frozenset(self._parts), ids

    def verify_detached(self, data: bytes, signature: bytes) -> str:
        if len(signature) > _TOO_MUCH:
            raise SignatureError("the signature is too large", path="repodata/repomd.xml.asc")
        signature_file = self._home / "signature"
        with storage_errors(signature_file):
            signature_file.write_bytes(signature)
        # Always with the data beside it: an inline-signed text is "valid" on its own.
        result = self._gpg.verify_data(
            str(signature_file), data, extra_args=["--weak-digest", "SHA1"]
        )
        self._accept(result, "repomd.xml.asc", "repodata/repomd.xml")
        return str(result.pubkey_fingerprint)

    def verify_clear(self, data: bytes) -> SignedText:
        if len(data) > _TOO_MUCH_TEXT:
            raise SignatureError("the signed text is too large")
        if not _CLEARSIGNED.fullmatch(data):
            raise SignatureError(
                "no text with its own signature, and nothing else",
                expected="-----BEGIN PGP SIGNED MESSAGE----- at its start, a signature at its end",
                way_out="nothing was published; what nobody signed cannot be mirrored",
            )
        result = self._gpg.decrypt(data, extra_args=["--weak-digest", "SHA1"])
        status = self._accept(result, "the signature in it", None)
        [signed] = [int(words[3]) for words in status if words[0] == "VALIDSIG"]
        # What gpg says was signed, not what stands in the file.
        text = result.data.decode("utf-8", "replace")
        return SignedText(text, str(result.pubkey_fingerprint), signed)

    def _accept(self, result: gnupg.Verify, what: str, path: str | None) -> list[list[str]]:
        """gpg's status lines. Raises SignatureError."""
        lines = result.stderr.splitlines()
        status = [line.split()[1:] for line in lines if line.startswith("[GNUPG:] ")]
        problem = self._problem(result, status)
        if problem:
            raise SignatureError(
                f"{what}: {problem}",
                expected="one good signature by " + " or ".join(sorted(self.fingerprints)),
                found=_who(status),
                path=path,
                way_out="nothing was published; if upstream changed its key, add it to gpgkey",
            )
        return status

    def _problem(self, result: gnupg.Verify, status: list[list[str]]) -> str | None:
        valid = [words for words in status if words[0] == "VALIDSIG"]
        if sum(words[0] == "NEWSIG" for words in status) > 1:
            return "more than one signature"
        if not result.valid or result.returncode != 0 or len(valid) != 1:
            # What gpg calls "signature valid" may be by a revoked key.
            return next((_BAD[words[0]] for words in status if words[0] in _BAD), _NONE)
        if result.pubkey_fingerprint not in self.fingerprints:
            return "signed by a key that is not allowed here"
        if valid[0][8] not in _STRONG_HASHES:
            return "signed over a weak digest"
        return None

    def export_each(self) -> Iterator[str]:
        """Each allowed key by itself, without revoked subkeys: rpm takes no key that has one."""
        for _, parts in sorted(self._parts.items()):
            yield str(self._gpg.export_keys([f"{id_}!" for id_ in parts]))


def _folder(prefix: str, scratch: Path | None) -> Path:
    with storage_errors(scratch or Path(tempfile.gettempdir())):
        return Path(tempfile.mkdtemp(prefix=prefix, dir=scratch))


def _who(status: list[list[str]]) -> str:
    for words in status:
        if words[0] in ("VALIDSIG", "ERRSIG", "BADSIG", "NO_PUBKEY", "REVKEYSIG", "EXPKEYSIG"):
            return f"{words[0]} {words[1]}"
    return "no signature"


@contextlib.contextmanager
def rpm_database(keyring: GpgKeyring) -> Iterator[Path]:
    """An rpm database with the keyring's keys and no other: what is not here verifies nothing."""
    folder = _folder("tuxmirror-rpmdb-", keyring.scratch)
    try:
        # One file a key: some versions of rpm import only the first of a file.
        armoured = re.findall(
            r"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----\n",
            "".join(keyring.export_each()),
            re.DOTALL,
        )
        for number, key in enumerate(armoured):
            with storage_errors(folder):
                (folder / f"key-{number}.asc").write_text(key)
        subprocess.run(
            ["rpmkeys", "--dbpath", str(folder), "--import", *map(str, folder.glob("key-*.asc"))],
            check=True,
            capture_output=True,
        )
        yield folder
    except subprocess.CalledProcessError as error:
        raise ConfigError(
            "rpm does not take the tree's keys", found=error.stderr.decode(errors="replace").strip()
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
