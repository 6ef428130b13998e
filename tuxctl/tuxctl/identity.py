"""What this host calls itself towards the registration service."""

import hashlib
import hmac
import os
import re

from tuxcare.host import read_text
from tuxctl.context import Context
from tuxctl.service import Host

_MACHINE_ID = re.compile(r"[0-9a-f]{32}\Z")
# machine-id(5): an application derives an id of its own and shows nobody the machine's.
_APPLICATION = b"tuxcare registration"


def describe(context: Context, release: str, arch: str) -> Host:
    """Host name, a machine id where there is one, release and architecture."""
    machine = (read_text(context.paths.machine_id) or "").strip()
    machine_id = None
    if _MACHINE_ID.match(machine):
        machine_id = hmac.new(bytes.fromhex(machine), _APPLICATION, hashlib.sha256).hexdigest()[:32]
    return Host(_host_name(context), machine_id, release, arch)


def _host_name(context: Context) -> str:
    """The running host's name; that of an image from its own file, else the builder's."""
    if context.system.root != "/":
        text = read_text(os.path.join(context.paths.root, "etc/hostname")) or ""
        if text.strip():
            return text.split()[0]
    return context.system.host_name()
