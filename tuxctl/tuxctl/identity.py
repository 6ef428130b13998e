"""What this host calls itself towards the registration service."""

import hashlib
import hmac
import os
import re
from typing import Any, Mapping, Optional

from tuxcare.host import read_text
from tuxctl.context import Context
from tuxctl.service import Host

_MACHINE_ID = re.compile(r"[0-9a-f]{32}\Z")
# machine-id(5): an application derives an id of its own and shows nobody the machine's.
_APPLICATION = b"tuxcare registration"


def describe(context: Context, release: str, arch: str) -> Host:
    """Host name, a machine id where there is one, release and architecture."""
    return Host(_host_name(context), _machine_id(context), release, arch)


def fingerprint(context: Context) -> Optional[str]:
    """What registration.json keeps to tell a copy of the host from the host; None where there is
    no machine id. Neither the machine's id nor the one that the service knows follows from it."""
    machine_id = _machine_id(context)
    return hashlib.sha256(machine_id.encode()).hexdigest()[:16] if machine_id else None


def is_copy(context: Context, registration: Mapping[str, Any]) -> bool:
    """Whether this host was copied from one that is registered, whose token it brought along."""
    registered, own = registration.get("machine"), fingerprint(context)
    return bool(registered and own and registered != own)


def _machine_id(context: Context) -> Optional[str]:
    machine = (read_text(context.paths.machine_id) or "").strip()
    if not _MACHINE_ID.match(machine):
        return None
    return hmac.new(bytes.fromhex(machine), _APPLICATION, hashlib.sha256).hexdigest()[:32]


def _host_name(context: Context) -> str:
    """The running host's name; that of an image from its own file, else the builder's."""
    if context.system.root != "/":
        text = read_text(os.path.join(context.paths.root, "etc/hostname")) or ""
        if text.strip():
            return text.split()[0]
    return context.system.host_name()
