"""Rows on FIPS mode of the running host: kernel, boot loader, OpenSSL, crypto policy, certificates.

What the administrator's guide looks at after the reboot is in tuxctl.fips.attest; here it gets its
place beside the STIG's own checks.
"""

import os
from typing import Any, Dict, Iterator, List

from tuxctl.context import Context
from tuxctl.verifying import PASS, SKIP, WARN, Row, judge

_BACK_ENDS = "/etc/crypto-policies/back-ends"
_POLICIES = "/usr/share/crypto-policies"
# Written out by update-crypto-policies, not linked.
_FILES = ("nss.config",)
_TOOL = "update-crypto-policies"
_ENABLE = "'tuxctl fips enable' brings the host there; then reboot."
_TITLES = {
    "fips-mode-setup --check": ("fips-mode", "V-269127", "FIPS mode is enabled"),
    "/proc/sys/crypto/fips_enabled": ("fips-mode", "V-269127", "The kernel is in FIPS mode"),
    "uname -r": ("running-kernel", None, "A validated kernel is running"),
    "crypto policy": ("crypto-policy", None, "The crypto policy is FIPS"),
    "boot default": ("boot-default", None, "A validated kernel boots by default"),
    "openssl list -providers": ("openssl-provider", None, "OpenSSL's FIPS provider is active"),
}


def rows(context: Context, attestation: Dict[str, Any]) -> Iterator[Row]:
    """`attestation`: the document of tuxctl.fips.attest."""
    for check in attestation["checks"]:
        id, stig, title = _TITLES.get(
            check["name"], (check["name"].replace(" ", "-"), None, check["name"])
        )
        found = [] if check["ok"] else [_difference(check)]
        yield judge(id, stig, title, found, _ENABLE, check["found"])
    if not attestation["checks"]:
        yield Row("fips-mode", "V-269127", "FIPS mode is enabled", SKIP, "not the running host")
    yield judge(
        "crypto-policy-overridden",
        "V-283453",
        "The crypto policy is not overridden",
        _overridden(context),
        "dnf reinstall crypto-policies; update-crypto-policies --set FIPS; reboot",
    )
    yield _certificates(attestation["expired"])


def _difference(check: Dict[str, Any]) -> str:
    return "expected {}, found {}".format(check["expected"], check["found"])


def _certificates(expired: List[str]) -> Row:
    """No host can do anything about a certificate that ends: told, not failed."""
    title = "The certificates are valid, for 90 days at least"
    if not expired:
        return Row("certificates", None, title, PASS)
    return Row(
        "certificates",
        None,
        title,
        WARN,
        "; ".join(expired),
        "Ask support for the next validated build, and update tuxcare-release.",
    )


def _overridden(context: Context) -> List[str]:
    """Back ends that are not the policy's own. EL puts links there, to the policy in force."""
    directory = context.paths.join(_BACK_ENDS)
    policy = _policy(context)
    if not policy:
        return ["no crypto policy is in force"]
    if ":" in policy:
        return _mismatch(context, policy)
    links = context.system.links(directory)
    if not links:
        return ["{}: empty".format(_BACK_ENDS)]
    wanted = "{}/{}/".format(_POLICIES, policy)
    problems = []
    for name, target in sorted(links.items()):
        if name in _FILES or not name.endswith(".config"):
            continue
        if target is None:
            problems.append("{}/{} is a file of its own".format(_BACK_ENDS, name))
        elif not os.path.normpath(os.path.join(_BACK_ENDS, target)).startswith(wanted):
            problems.append("{}/{} leads to {}".format(_BACK_ENDS, name, target))
    return problems


def _mismatch(context: Context, policy: str) -> List[str]:
    """A policy with modules (`FIPS:OSPP`) has files as back ends: EL's own tool judges those."""
    if not (context.system.is_live and context.system.has_program(_TOOL)):
        return ["{} is not there to check the modules of {}".format(_TOOL, policy)]
    done = context.system.run([_TOOL, "--check"])
    return [] if done.status == 0 else [done.stdout.strip() or done.stderr.strip() or policy]


def _policy(context: Context) -> str:
    data = context.system.read(context.paths.join("/etc/crypto-policies/state/current"))
    return (data or b"").decode("utf-8", "replace").strip()
