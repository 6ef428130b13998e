"""The operator's signature, by gpg.

Signing needs gpg's agent. Where it has only this key to unlock, it gets a home of its own, which
shows the operator's keys through symlinks and goes with the call:

    <tmp>/tuxmirror-sign-…/          0700
        pubring.kbx, private-keys-v1.d  -> gnupghome
        S.gpg-agent                     of an agent that ends with us, also when we are killed

So an agent that remembers a passphrase cannot make a wrong one look right, and none that does is
left behind. Without a passphrase file an agent that already runs for gnupghome is used as it is: it
may hold a smart card, or have been given the passphrase by hand.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gnupg

from ..core.errors import ConfigError, SignatureError
from .files import storage_errors
from .keyring import GpgKeyring

_KEYRINGS = ("pubring.kbx", "pubring.gpg", "private-keys-v1.d")
_PATIENCE = 30.0
_OPTIONS = ["--trust-model", "always", "--no-auto-check-trustdb", "--no-autostart"]
# Nobody sits at a timer's terminal: what is not unlocked fails at once.
_NOBODY_TO_ASK = ["--pinentry-mode", "error"]
_UNLOCK = "passphrase_file = a file with the passphrase, or let a gpg-agent of gnupghome hold it"
# gpg's doc/DETAILS and libgpg-error: the code of `FAILURE sign` is in its low 16 bits.
_BAD_PASSPHRASE = 11
_NO_PINENTRY = (85, 86, 87, 99, 177)


class GpgSigner:
    """See `ports.Signer`. Nothing of gpg is touched before something is to be signed."""

    def __init__(
        self, fingerprint: str, gnupghome: Path | None = None, passphrase_file: Path | None = None
    ) -> None:
        self.fingerprint = fingerprint
        default = os.environ.get("GNUPGHOME") or Path.home() / ".gnupg"
        self._home = Path(gnupghome or default)
        self._passphrase_file = passphrase_file

    def public_key(self) -> bytes:
        self._check_home()
        gpg = gnupg.GPG(gnupghome=str(self._home), options=_OPTIONS)
        armoured: str = gpg.export_keys(self.fingerprint)
        if not armoured:
            raise self._missing(gpg)
        return armoured.encode()

    def sign(self, documents: Sequence[bytes]) -> list[bytes]:
        public = self.public_key()
        passphrase = self._passphrase()
        with _home(self._home, private=self._private()) as home:
            gpg = gnupg.GPG(gnupghome=str(home), options=_OPTIONS)
            self._check_key(gpg)
            signatures = [self._signed(gpg, data, passphrase) for data in documents]
        self._verify(public, documents, signatures)
        return signatures

    def _check_home(self) -> None:
        if not self._home.is_dir():
            raise ConfigError(
                f"gnupghome {self._home}: no such directory",
                way_out="name the folder that holds the secret half of signing_key",
            )

    def _private(self) -> bool:
        return self._passphrase_file is not None or not _agent_runs(self._home)

    def _passphrase(self) -> str | None:
        file = self._passphrase_file
        if file is None:
            return None
        try:
            mode = file.stat().st_mode
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise ConfigError(f"passphrase_file {file}: {reason}") from None
        if mode & 0o077:
            raise ConfigError(
                f"passphrase_file {file}: others can read it",
                expected="mode 0600",
                found=f"mode {mode & 0o7777:04o}",
                way_out=f"chmod 600 {file}",
            )
        passphrase = text.partition("\n")[0]
        if not passphrase:
            raise ConfigError(f"passphrase_file {file}: its first line is empty")
        return passphrase

    def _check_key(self, gpg: gnupg.GPG) -> None:
        for key in gpg.list_keys(secret=True, keys=self.fingerprint):
            if key["fingerprint"] != self.fingerprint:
                raise ConfigError(
                    "signing_key names a subkey",
                    expected=f"signing_key = {key['fingerprint']}, its primary key",
                    found=self.fingerprint,
                )
            if key["trust"] in ("e", "r"):
                state = {"e": "has expired", "r": "was revoked"}[key["trust"]]
                raise ConfigError(
                    f"signing_key {self.fingerprint} {state}",
                    way_out="extend it or name another key; nothing was signed, nothing published",
                )
            return
        raise self._missing(gpg)

    def _missing(self, gpg: gnupg.GPG) -> ConfigError:
        known = [key["fingerprint"] for key in gpg.list_keys()]
        return ConfigError(
            f"the secret half of signing_key is not in {self._home}",
            expected=self.fingerprint,
            found=", ".join(known) or "no key at all",
            way_out="import it there, or correct signing_key or gnupghome; nothing was published",
        )

    def _signed(self, gpg: gnupg.GPG, data: bytes, passphrase: str | None) -> bytes:
        result = gpg.sign(
            data,
            keyid=self.fingerprint,
            passphrase=passphrase,
            detach=True,
            clearsign=False,
            extra_args=["--digest-algo", "SHA256", *([] if passphrase else _NOBODY_TO_ASK)],
        )
        if result.returncode or not result.data:
            raise self._refused(result, passphrase is not None)
        return bytes(result.data)

    def _refused(self, result: Any, with_passphrase: bool) -> ConfigError | SignatureError:
        words = [line.split()[1:] for line in result.stderr.splitlines() if "[GNUPG:]" in line]
        codes = [int(w[-1]) & 0xFFFF for w in words if w[0] in ("FAILURE", "ERROR") and len(w) > 2]
        if with_passphrase and _BAD_PASSPHRASE in codes:
            return ConfigError(
                f"passphrase_file {self._passphrase_file}: not the passphrase of signing_key",
                way_out="correct the file; nothing was signed, nothing published",
            )
        if not with_passphrase and any(code in codes for code in _NO_PINENTRY):
            return ConfigError(
                f"signing_key {self.fingerprint} has a passphrase",
                expected=_UNLOCK,
                found="no passphrase_file, and no agent that knows it",
                way_out="give it either; nothing was signed, nothing published",
            )
        complaints = [line for line in result.stderr.splitlines() if "[GNUPG:]" not in line]
        return SignatureError(
            "gpg made no signature",
            expected=f"one by {self.fingerprint}",
            found=" ".join(complaints)[-300:] or f"exit status {result.returncode}",
            way_out="try `gpg --detach-sign` with that key; nothing was published",
        )

    def _verify(
        self, public: bytes, documents: Sequence[bytes], signatures: Sequence[bytes]
    ) -> None:
        """As those who are to trust it will."""
        with tempfile.TemporaryDirectory(prefix="tuxmirror-signed-") as folder:
            key = Path(folder, "key.asc")
            with storage_errors(key):
                key.write_bytes(public)
            keyring = GpgKeyring([key], [self.fingerprint], Path(folder))
            for data, signature in zip(documents, signatures):
                keyring.verify_detached(data, signature)


@contextlib.contextmanager
def _home(operators: Path, private: bool) -> Iterator[Path]:
    if not private:
        yield operators
        return
    # A socket's path is short: the store's may be too long for it.
    home = Path(tempfile.mkdtemp(prefix="tuxmirror-sign-"))
    try:
        with storage_errors(home):
            for name in _KEYRINGS:
                if (operators / name).exists():
                    (home / name).symlink_to((operators / name).resolve())
        with _agent(home):
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _agent(home: Path) -> Iterator[None]:
    """An agent that lives as long as `cat`, and that as long as we hold its standard input."""
    command = ["gpg-agent", "--homedir", str(home), "--quiet", "--disable-scdaemon"]
    command += ["--allow-loopback-pinentry", "--log-file", os.devnull, "--daemon", "--", "cat"]
    try:
        holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise ConfigError("gpg-agent is not installed", way_out="install gnupg2") from None
    try:
        assert holder.stdin is not None and holder.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            holder.stdin.write(b"\n")
            holder.stdin.flush()
        # Its sockets are there before it starts the command that echoes this.
        if holder.stdout.readline() != b"\n":
            raise SignatureError(
                "gpg-agent does not start",
                way_out=f"look at: gpg-agent --homedir {home} --daemon; nothing was published",
            )
        yield
    finally:
        _end(home, holder)


def _end(home: Path, holder: subprocess.Popen[bytes]) -> None:
    """Told to end, and seen to: it must not outlive us with a passphrase in its memory."""
    subprocess.run(
        ["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False, capture_output=True
    )
    holder.communicate()
    deadline = time.monotonic() + _PATIENCE
    while _agent_runs(home) and time.monotonic() < deadline:
        time.sleep(0.005)


def _agent_runs(home: Path) -> bool:
    """Whether somebody answers at its socket."""
    listed = subprocess.run(
        ["gpgconf", "--homedir", str(home), "--list-dirs", "agent-socket"],
        check=False,
        capture_output=True,
        text=True,
    )
    path = listed.stdout.strip()
    if not path:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True
