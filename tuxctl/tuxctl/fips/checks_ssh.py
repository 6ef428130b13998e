"""Whether people can still log in once FIPS mode refuses their keys. Pure."""

from typing import Iterable, Iterator

from tuxctl.fips.access import Account, Ssh
from tuxctl.fips.findings import BLOCKER, WARNING, Finding


def check(ssh: Ssh) -> Iterator[Finding]:
    if not any(key.works_in_fips_mode for key in ssh.host_keys):
        yield Finding(
            BLOCKER,
            "ssh-host-keys",
            "the SSH server has no host key that FIPS mode takes: {}".format(
                _listed(ssh.host_keys)
            ),
            "ssh-keygen -q -t rsa -b 3072 -N '' -f /etc/ssh/ssh_host_rsa_key",
        )
    elif not all(key.works_in_fips_mode for key in ssh.host_keys):
        refused = [key for key in ssh.host_keys if not key.works_in_fips_mode]
        yield Finding(
            WARNING,
            "ssh-host-keys",
            "clients that know this host by its {} key will be shown another one".format(
                _listed(refused)
            ),
            "Give them the RSA key: /etc/ssh/ssh_host_rsa_key.pub",
        )
    yield from _accounts(ssh)


def _accounts(ssh: Ssh) -> Iterator[Finding]:
    with_keys = [account for account in ssh.accounts if account.keys]
    locked_out = [account for account in with_keys if not _lets_in(account)]
    people = [account for account in ssh.accounts if account.uid != 0]
    for account in locked_out:
        yield Finding(
            WARNING,
            "ssh-keys",
            "{}: none of the SSH keys works in FIPS mode: {}".format(
                account.name, _listed(account.keys)
            ),
            "Add an RSA key to ~{}/.ssh/authorized_keys.".format(account.name),
        )
    if with_keys and len(locked_out) == len(with_keys) and not ssh.passwords:
        yield Finding(
            BLOCKER,
            "ssh-locked-out",
            "nobody could log in by SSH: passwords are off, and no key works in FIPS mode",
            "Add an RSA key (ssh-keygen -t rsa -b 3072), and try it before you go on.",
        )
    if ssh.root and not people:
        yield Finding(
            WARNING,
            "ssh-root-only",
            "root is the only account that can log in",
            "Make a user who may use sudo, with an RSA key; console access is recommended.",
        )


def _lets_in(account: Account) -> bool:
    return any(key.works_in_fips_mode for key in account.keys)


def _listed(keys: Iterable[object]) -> str:
    return ", ".join(sorted({str(key) for key in keys})) or "none"
