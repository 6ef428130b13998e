"""The whole way: an upstream, a mirror that serves it, a customer's host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.host import Host
from tests.support.keys import Keys
from tests.support.mirror import MirrorSite, run
from tests.support.repofiles import repo_files

KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"


class Operator(MirrorSite):
    """A mirror of AlmaLinux 9.2 with the TuxCare repositories, and its server."""

    url = ""

    def licence(self, *options: str) -> str:
        done = run(self.command("license", "create", *options), self.environment)
        assert done.status == 0, done
        return done.stdout.strip()


@pytest.fixture
def operator(tmp_path: Path, httpd, keys: Keys, standard_upstream, tuxcare_rpms) -> Operator:
    upstream = httpd(standard_upstream.root)
    site = Operator(tmp_path / "mirror")
    site.upstream = upstream
    site.root.mkdir()
    site.main["upstream"] = upstream.url
    site.add_tree("almalinux/9.2", keys.almalinux, repos="BaseOS AppStream CRB extras")
    for repository in ("esu", "fips"):
        site.add_local(f"tuxcare/9.2/{repository}", keys.tuxcare, tuxcare_rpms / repository)
    return site


@pytest.fixture
def serving(operator: Operator) -> Iterator[Operator]:
    """The operator's server runs; its address is `operator.url`."""
    operator.write_conf()
    with (operator.root / "serve.log").open("w") as log:
        process = subprocess.Popen(
            operator.command("serve", "--json", "--listen", "127.0.0.1:0"),
            env=operator.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout
    try:
        operator.url = json.loads(process.stdout.readline())["url"]
        yield operator
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()


@pytest.fixture
def customer(host: Host, keys: Keys, operator: Operator) -> Host:
    """AlmaLinux 9.2 from community repositories, with our package's files on it."""
    host.trust(keys.almalinux)
    host.use_upstream(operator.upstream.url)
    host.dnf("install", "curl", "tzdata", "vim-minimal", "openssl", "nss", "gnutls", "kernel")
    for name, text in repo_files("9.2").items():
        host.write(f"/etc/yum.repos.d/{name}", text)
    host.install_checkout()
    host.write(KEY, keys.tuxcare.public.read_bytes())
    host.write("/etc/tuxcare/tuxcare.conf", f"[gpg]\nfingerprint = {keys.tuxcare.fingerprint}\n")
    return host
