"""`tuxctl support-bundle`: what support needs to see of a host, without its secrets.

    tuxctl-support-HOST-TIME.tar.gz     0600
        summary.json                    when, which host, which AWS account
        status.json verify.json         as the commands print them
        files/etc/...                   configuration, repositories, journal, as far as it is there
        logs/...                        the ends of dnf's logs
        commands/...                    packages, boot entries, timers, as the tools print them

Everything passes through tuxctl.scrub, and what is known to be secret is looked for once more in
the finished members: if any is left, nothing is written.
"""

import io
import json
import os
import tarfile
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from tuxcare.errors import ConfigError, StorageError, TuxcareError, VerificationError
from tuxcare.host import read_text, read_token
from tuxctl import aws, scrub, status, verify
from tuxctl.context import Context

SCHEMA = 1

_FILES = (
    "etc/almalinux-release",
    "etc/os-release",
    "etc/tuxcare-release",
    "etc/tuxcare/*.conf",
    "etc/tuxcare/fips.d/*.conf",
    "etc/yum.repos.d/*.repo",
    "etc/yum.repos.d/*.rpmnew",
    "etc/yum.repos.d/*.rpmsave",
    "etc/dnf/dnf.conf",
    "etc/dnf/plugins/*.conf",
    "etc/dnf/vars/tuxcare_releasever",
    "etc/dnf/protected.d/*.conf",
    "etc/crypto-policies/config",
    "etc/crypto-policies/state/current",
    "usr/share/tuxcare/fips/*.conf",
    "var/lib/tuxcare/*.json",
    "var/lib/tuxcare/journal/journal.json",
    "proc/cmdline",
    "proc/sys/crypto/fips_enabled",
    "proc/sys/kernel/osrelease",
)
_LOGS = (
    "var/log/dnf.log",
    "var/log/dnf.rpm.log",
    "var/log/dnf.librepo.log",
    "var/log/hawkey.log",
)
_LOG_END = 1024 * 1024
_PACKAGES = "%{NEVRA} %{VENDOR} %{INSTALLTIME:date} %{SOURCERPM}\\n"
# Of the running host: name of the member, and the command.
_COMMANDS = {
    "uname": ["uname", "-a"],
    "boot-entries": ["grubby", "--info=ALL"],
    "boot-default": ["grubby", "--default-kernel"],
    "fips-mode": ["fips-mode-setup", "--check"],
    "openssl-providers": ["openssl", "list", "-providers"],
    "kernelcare": ["kcarectl", "--info"],
    "disks": ["df", "-h"],
    "timers": ["systemctl", "list-timers", "--all", "--no-pager", "tuxctl-*"],
    "journal": ["journalctl", "--no-pager", "--lines=1000", "--unit=tuxctl-*"],
    "dnf-history": ["dnf", "--quiet", "--cacheonly", "history", "list"],
    "repositories": ["dnf", "--quiet", "--cacheonly", "repolist", "--all"],
}
_PATIENCE = 60.0


class Member(NamedTuple):
    """A file of the archive."""

    name: str
    data: bytes


def write(
    context: Context,
    output: Optional[str] = None,
    dry_run: bool = False,
    as_json: bool = False,
    offline: bool = False,
) -> None:
    """List what goes in, then write the archive, unless it is a `dry_run`.

    Raises UsageError without root, StorageError where the file is there already or cannot be
    written, VerificationError where a secret would be in it.
    """
    context.require_root("this reads what root alone may read")
    secrets = _secrets(context)
    account = None if offline else aws.account_id(aws.SERVICE)
    raw = _collect(context, account, offline)
    members = [
        Member(
            scrub.clean(member.name, secrets),
            scrub.clean(member.data.decode("utf-8", "replace"), secrets).encode(),
        )
        for member in raw
    ]
    _require_clean(members, secrets)
    path = output or _default_name(context)
    _show(context, members, path, account, dry_run, as_json)
    if not dry_run:
        context.system.export(path, _archive(context, members))
        if not as_json:
            context.console.say("Written: {}".format(path))


def _show(
    context: Context,
    members: List[Member],
    path: str,
    account: Optional[str],
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        document: Dict[str, Any] = {
            "schema": SCHEMA,
            "file": None if dry_run else path,
            "aws_account": account,
            "members": [{"name": item.name, "bytes": len(item.data)} for item in members],
        }
        context.console.say(json.dumps(document, indent=2))
        return
    for item in members:
        context.console.say("{:>9}  {}".format(len(item.data), item.name))
    if account:
        context.console.say("AWS account: {}".format(account))


def _secrets(context: Context) -> Dict[str, str]:
    """What must not leave the host. Raises StorageError where the token cannot be read."""
    found: Dict[str, str] = {}
    try:
        token = read_token(context.paths)
    except ConfigError:
        # No token by form; whatever it is, it goes.
        token = (read_text(context.paths.token) or "").strip()
    if token:
        found[token] = "<token>"
    machine_id = (read_text(context.paths.machine_id) or "").strip()
    if len(machine_id) >= 32:
        found[machine_id] = "<machine-id>"
    return found


def _collect(context: Context, account: Optional[str], offline: bool) -> List[Member]:
    members = [Member("summary.json", _json(_summary(context, account)))]
    members.append(Member("status.json", _document(lambda: status.collect(context, offline))))
    members.append(Member("verify.json", _document(lambda: verify.collect(context))))
    members += _files(context)
    members += _logs(context)
    members += _commands(context)
    return members


def _summary(context: Context, account: Optional[str]) -> Dict[str, Any]:
    return {
        "schema": SCHEMA,
        "created_at": context.now().isoformat(),
        "host_name": context.system.host_name(),
        "arch": context.system.machine(),
        "aws_account": account,
    }


def _document(make: Callable[[], Any]) -> bytes:
    """A command's document; its error where there is none: that may be what support looks for."""
    try:
        return _json(make())
    except (TuxcareError, PermissionError) as error:
        return _json({"error": str(error)})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _files(context: Context) -> List[Member]:
    root = context.paths.root
    members = []
    for pattern in _FILES:
        if pattern.startswith("proc/") and root != "/":
            continue
        for path in context.system.names(os.path.join(root, pattern)):
            try:
                data = context.system.read(path)
            except StorageError as error:
                data = "{}\n".format(error.message).encode()
            if data is not None:
                members.append(Member("files" + context.paths.inside(path), data))
    return members


def _logs(context: Context) -> List[Member]:
    members = []
    for name in _LOGS:
        data = context.system.read_end(context.paths.join("/" + name), _LOG_END)
        if data is not None:
            members.append(Member("logs/" + os.path.basename(name), data))
    return members


def _commands(context: Context) -> List[Member]:
    root = context.system.root
    elsewhere = [] if root == "/" else ["--root", root]
    commands = {"packages": ["rpm"] + elsewhere + ["-qa", "--queryformat", _PACKAGES]}
    if root == "/":
        commands.update(_COMMANDS)
    return [Member("commands/" + name, _output(context, argv)) for name, argv in commands.items()]


def _output(context: Context, argv: List[str]) -> bytes:
    try:
        done = context.system.run(argv, timeout=_PATIENCE)
    except StorageError as error:
        return "{}\n".format(error.message).encode()
    end = "" if done.status == 0 else "(exit status {})\n{}".format(done.status, done.stderr)
    return (done.stdout + end).encode()


def _require_clean(members: List[Member], secrets: Dict[str, str]) -> None:
    for member in members:
        left = scrub.remains(member.name.encode() + b"\n" + member.data, secrets)
        if left:
            raise VerificationError(
                "support-bundle: {} would hold {}".format(member.name, ", ".join(left)),
                "Nothing was written. Please report this; 'tuxctl status --json' is safe to send.",
            )


def _default_name(context: Context) -> str:
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in context.system.host_name())
    time = context.now().strftime("%Y%m%dT%H%M%SZ")
    return os.path.abspath("tuxctl-support-{}-{}.tar.gz".format(host, time))


def _archive(context: Context, members: List[Member]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member in members:
            info = tarfile.TarInfo("tuxctl-support/" + member.name)
            info.size, info.mode = len(member.data), 0o600
            info.mtime = int(context.now().timestamp())
            archive.addfile(info, io.BytesIO(member.data))
    return stream.getvalue()
