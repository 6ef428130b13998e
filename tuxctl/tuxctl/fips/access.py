"""Who can log in by SSH, and with which keys. Reads; changes nothing."""

import os
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from tuxctl.fips import keys
from tuxctl.fips.keys import PublicKey
from tuxctl.system import System, join, text_of

_NO_SHELL = ("nologin", "false", "sync", "shutdown", "halt")
_FIRST_PERSON = 1000  # UID_MIN of login.defs(5) on EL


class Account(NamedTuple):
    """Somebody who may log in, and the keys that let him in."""

    name: str
    uid: int
    keys: Tuple[PublicKey, ...]


class Ssh(NamedTuple):
    """The SSH server. `passwords`, `root`: whether it lets in by password, and root at all."""

    host_keys: Tuple[PublicKey, ...]
    accounts: Tuple[Account, ...]
    passwords: bool
    root: bool


def look(system: System) -> Optional[Ssh]:
    main = text_of(system, "/etc/ssh/sshd_config")
    host_keys: List[PublicKey] = []
    for path in system.names(join(system, "/etc/ssh/ssh_host_*_key.pub")):
        host_keys += keys.parse((system.read(path) or b"").decode("utf-8", "replace"))
    if not main and not host_keys:
        return None
    more = system.names(join(system, "/etc/ssh/sshd_config.d/*.conf"))
    texts = [(system.read(path) or b"").decode("utf-8", "replace") for path in more]
    options = sshd_options("\n".join(texts + [main]))
    return Ssh(
        tuple(host_keys),
        tuple(_accounts(system)),
        options.get("passwordauthentication", "yes") != "no",
        options.get("permitrootlogin", "prohibit-password") != "no",
    )


def sshd_options(text: str) -> Dict[str, str]:
    """Global options by lower-case name; the first one counts (sshd_config(5))."""
    options: Dict[str, str] = {}
    for line in text.splitlines():
        words = line.replace("=", " ", 1).split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].lower() == "match":
            break
        if len(words) > 1:
            options.setdefault(words[0].lower(), words[1].lower())
    return options


def _accounts(system: System) -> Iterable[Account]:
    for line in text_of(system, "/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) != 7 or not fields[2].isdigit():
            continue
        uid, home, shell = int(fields[2]), fields[5], os.path.basename(fields[6])
        if shell in _NO_SHELL or not shell or 0 < uid < _FIRST_PERSON:
            continue
        text = text_of(system, os.path.join(home, ".ssh/authorized_keys"))
        yield Account(fields[0], uid, tuple(keys.parse(text)))
