"""Throwaway OpenPGP keys, made on the spot by gpg.

A key owns these files:

    <directory>/<slug>.asc          public key, ASCII-armoured, as a distribution ships it
    <homedir>/                      GNUPGHOME, 0700: <directory>/<slug>.gnupg, or a folder of its
                                    own in /tmp, gone with the key, where that path is too long
    <homedir>/secret.asc            secret key without a passphrase, for in-process signing

No agent outlives a call: gpg starts one when it needs a secret key, and every call here that does
ends it again. So keys need no clean-up, and a test run that leaves an agent behind has a bug.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

# The longest socket is S.gpg-agent.browser; gpg-agent refuses its path from 107 bytes on.
LONGEST_HOMEDIR = 106 - len("/S.gpg-agent.browser")
ALGORITHMS = ("rsa2048", "rsa4096", "ed25519")


class GpgFailed(Exception):
    """gpg refused; carries its whole complaint."""


@dataclass(frozen=True)
class SigningKey:
    """A key pair of its own in a GNUPGHOME of its own.

    Attributes:
        name: user id, as `rpm -qi gpg-pubkey` shows it.
        fingerprint: 40 upper-case hex digits of the primary key.
        signing_fingerprint: the key that signs; another one than `fingerprint` with `subkey=True`.
        homedir: GNUPGHOME with the secret key, no passphrase.
        public: ASCII-armoured public key.
    """

    name: str
    fingerprint: str
    signing_fingerprint: str
    homedir: Path
    public: Path
    created: str | None = field(default=None, repr=False)

    @classmethod
    def create(
        cls,
        directory: Path,
        name: str = "AlmaLinux test",
        algorithm: str = "rsa2048",
        subkey: bool = False,
        expires: str | None = None,
        created: str | None = None,
    ) -> SigningKey:
        """Generate a key; about 0.2 s for rsa2048, 1 s for rsa4096.

        Args:
            subkey: sign with a subkey of a primary that only certifies, as AlmaLinux 8's old key.
            expires: gpg's notation ("2d", "seconds=1", "2030-01-01"); None is never.
            created: ISO time ("20200101T000000") to make and use the key at, for expired ones.
        """
        if algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm {algorithm!r}: expected one of {', '.join(ALGORITHMS)}")
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        homedir = _make_homedir(directory, slug)
        with _agent(homedir):
            usage = "cert" if subkey else "sign"
            uid = f"{name} <{slug}@example.org>"
            make = ["--passphrase", "", "--quick-gen-key", uid, algorithm, usage]
            _gpg(homedir, *make, expires or "never", at=created)
            primary = _fingerprints(homedir)[0]
            if subkey:
                add = ["--passphrase", "", "--quick-add-key", primary, algorithm, "sign"]
                _gpg(homedir, *add, expires or "never", at=created)
            secret = _gpg(homedir, "--armor", "--export-secret-keys", primary)
        _write_secret(homedir / "secret.asc", secret)
        public = directory / f"{slug}.asc"
        public.write_bytes(_gpg(homedir, "--armor", "--export", primary))
        signing = _fingerprints(homedir)[-1]
        key = cls(name, primary, signing, homedir, public, created)
        if homedir.parent != directory:
            weakref.finalize(key, shutil.rmtree, homedir, ignore_errors=True)
        return key

    def sign_detached(self, path: Path, digest: str = "SHA256") -> Path:
        """Write `<path>.asc`, an armoured detached signature over the file at `path`."""
        signature = path.with_name(path.name + ".asc")
        with _agent(self.homedir):
            options = ["--local-user", self.signing_fingerprint + "!", "--digest-algo", digest]
            armour = _gpg(
                self.homedir, *options, "--armor", "--output", "-", "--detach-sign", str(path),
                at=self.created,
            )  # fmt: skip
        _replace(signature, armour)
        return signature

    def sign_clear(self, text: str, digest: str = "SHA256") -> bytes:
        """A text with its signature in itself."""
        path = self.homedir / "text"
        path.write_text(text)
        with _agent(self.homedir):
            options = ["--local-user", self.signing_fingerprint + "!", "--digest-algo", digest]
            return _gpg(
                self.homedir, *options, "--output", "-", "--clearsign", str(path), at=self.created
            )

    def sign_rpms(self, paths: Iterable[Path], digest: str | None = None) -> None:
        """Sign packages, replacing their signatures; hard links to them keep their old bytes.

        In process, 3 ms each (RSA-2048, SHA-256), or with rpmsign when `digest` asks for another
        algorithm, such as "sha1".
        """
        if digest is not None:
            self._rpmsign(list(paths), digest)
            return
        from rpm_rs import Package

        for path in paths:
            package = Package.open(str(path))
            package.clear_signatures()
            package.sign(self.rpm_signer)
            replace_rpm(path, package)

    @cached_property
    def rpm_signer(self) -> Any:
        """rpm_rs.Signer that signs with `signing_fingerprint`."""
        from rpm_rs import Signer

        signer = Signer.from_file(str(self.homedir / "secret.asc"))
        if self.signing_fingerprint != self.fingerprint:
            signer = signer.with_signing_key(self.signing_fingerprint.lower()) or signer
        return signer

    def revoke(self) -> None:
        """Revoke the primary key; `public` then carries the revocation."""
        certificate = self.homedir / "openpgp-revocs.d" / f"{self.fingerprint}.rev"
        # gpg puts a colon before the armour so that nobody imports it by accident.
        armour = certificate.read_text().replace(":-----BEGIN", "-----BEGIN")
        with _agent(self.homedir):
            _gpg(self.homedir, "--import", stdin=armour.encode())
            self.public.write_bytes(_gpg(self.homedir, "--armor", "--export", self.fingerprint))

    def revoke_subkey(self) -> None:
        """Revoke the signing subkey alone; `public` then carries the revocation."""
        commands = "key 1\nrevkey\ny\n0\n\ny\nsave\n"
        with _agent(self.homedir):
            options = ["--command-fd", "0", "--no-tty", "--expert"]
            _gpg(self.homedir, *options, "--edit-key", self.fingerprint, stdin=commands.encode())
            self.public.write_bytes(_gpg(self.homedir, "--armor", "--export", self.fingerprint))

    def _rpmsign(self, paths: list[Path], digest: str) -> None:
        for path in paths:
            _replace(path, path.read_bytes())  # rpmsign writes in place where it can
        defines = {
            "__gpg": "/usr/bin/gpg",
            "_gpg_name": self.signing_fingerprint,
            "_gpg_digest_algo": digest,
            "_gpg_path": str(self.homedir),
        }
        command = ["rpmsign", "--addsign"]
        for macro, value in defines.items():
            command += ["--define", f"{macro} {value}"]
        with _agent(self.homedir):
            _run([*command, *map(str, paths)], self.homedir)


class Keys:
    """The keys of the usual roles, one set a test run; each is made when first used."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @cached_property
    def almalinux(self) -> SigningKey:
        """Signs upstream's packages and metadata."""
        return SigningKey.create(self._directory, "AlmaLinux test")

    @cached_property
    def tuxcare(self) -> SigningKey:
        """Signs TuxCare's packages."""
        return SigningKey.create(self._directory, "TuxCare test")

    @cached_property
    def operator(self) -> SigningKey:
        """Signs what the mirror itself makes."""
        return SigningKey.create(self._directory, "Mirror operator test")

    @cached_property
    def stranger(self) -> SigningKey:
        """A good key that nobody was told to trust."""
        return SigningKey.create(self._directory, "Stranger test")


def replace_rpm(path: Path, package: Any) -> None:
    """Write an rpm_rs.Package to `path` by rename: trees share packages as hard links."""
    temporary = path.with_name(f".{path.name}.new.rpm")
    package.write_file(str(temporary))
    temporary.rename(path)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.rename(path)


def _make_homedir(directory: Path, slug: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    homedir = directory / f"{slug}.gnupg"
    if len(os.fsencode(homedir)) > LONGEST_HOMEDIR:
        homedir = Path(tempfile.mkdtemp(prefix="tuxcare-gnupg-"))
    else:
        shutil.rmtree(homedir, ignore_errors=True)
        homedir.mkdir(mode=0o700)
    return homedir


def _write_secret(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


@contextmanager
def _agent(homedir: Path) -> Iterator[None]:
    try:
        yield
    finally:
        _run(["gpgconf", "--homedir", str(homedir), "--kill", "gpg-agent"], homedir)
        # It was only told to end. The next gpg must not take a dying agent for a living one.
        deadline = time.monotonic() + 5
        while _socket(homedir).exists() and time.monotonic() < deadline:
            time.sleep(0.002)


@cache
def _socket(homedir: Path) -> Path:
    """Below /run/user where somebody is logged in, else in the homedir itself."""
    command = ["gpgconf", "--homedir", str(homedir), "--list-dirs", "agent-socket"]
    # It escapes as in a URL.
    return Path(unquote(_run(command, homedir).decode().strip()))


def _fingerprints(homedir: Path) -> list[str]:
    listing = _gpg(homedir, "--with-colons", "--list-keys").decode()
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]


def _gpg(homedir: Path, *arguments: str, at: str | None = None, stdin: bytes = b"") -> bytes:
    clock = ["--faked-system-time", at] if at else []
    command = ["gpg", "--homedir", str(homedir), "--batch", "--yes", "--quiet", *clock]
    return _run([*command, "--pinentry-mode", "loopback", *arguments], homedir, stdin)


def _run(command: list[str], homedir: Path, stdin: bytes = b"") -> bytes:
    environment = {**os.environ, "GNUPGHOME": str(homedir), "LC_ALL": "C"}
    done = subprocess.run(
        command, input=stdin, capture_output=True, env=environment, check=False, timeout=60
    )
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip()
        raise GpgFailed(f"{' '.join(command)}: exit {done.returncode}: {complaint}")
    return done.stdout
