"""A site as in earnest: nginx in front, PostgreSQL behind; a host is let in and put out."""

import time
from types import SimpleNamespace

import pytest
import requests

from tests.support.mirror import run
from tests.support.nginx import memory_folder, site_of

REPOMD = "BaseOS/x86_64/os/repodata/repomd.xml"


@pytest.fixture
def site(operator, postgresql, request):
    """The operator's mirror, its service on PostgreSQL, and nginx before it: `front`."""
    with memory_folder() as memory, postgresql.database() as database:
        operator.main["database"] = database
        operator.main["leases"] = memory / "leases"
        assert operator.sync().status == 0
        request.getfixturevalue("serving")
        host, port = operator.url[len("http://") :].rsplit(":", 1)

        def tuxmirror(*arguments):
            done = run(operator.command(*arguments), operator.environment)
            assert done.status == 0, done
            return done.stdout

        with site_of(tuxmirror, operator.root / "nginx", (host, port), memory) as front:
            yield SimpleNamespace(front=front, tuxmirror=tuxmirror)


def test_a_host_registers_upgrades_is_revoked_and_is_told(
    customer, operator, site, standard_upstream
):
    key = operator.licence("--product=esu", "--hosts=1", "--note=customer")
    done = customer.run(
        ["tuxctl", "--license-key-file", "-", "--server", site.front.url],
        input=key + "\n",
        check=False,
    )
    assert done.returncode == 0, done
    assert "TuxCare installed successfully" in done.stdout
    token = customer.read("/etc/tuxcare/token").strip()

    standard_upstream.advance()
    assert operator.sync().status == 0
    customer.dnf("--refresh", "upgrade")
    assert "curl-7.76.1-23.el9_2.4.x86_64" in customer.rpmdb()

    [host] = site.tuxmirror("host", "list", "--csv").splitlines()[1:]
    site.tuxmirror("host", "revoke", host.split(",")[0])
    assert refused_after(f"{site.front.url}/almalinux/9.2/{token}/{REPOMD}") < 60

    refused = customer.dnf("--refresh", "upgrade", check=False)
    assert refused.returncode == 1
    assert "403" in refused.stderr
    assert token not in refused.stdout + refused.stderr
    # The seat is free again, and the host comes back with the same key.
    again = customer.run(
        ["tuxctl", "--force", "--license-key-file", "-", "--server", site.front.url],
        input=key + "\n",
        check=False,
    )
    assert again.returncode == 0, again
    customer.dnf("--refresh", "upgrade")

    for log in (*(operator.root / "nginx").glob("*.log"), operator.root / "serve.log"):
        text = log.read_text()
        assert token not in text
        assert key not in text


def refused_after(url):
    """Seconds until it answers 403, asked all the time."""
    started = time.monotonic()
    with requests.Session() as session:
        while session.get(url, timeout=10).status_code == 200:
            assert time.monotonic() - started < 60
            time.sleep(0.5)
    return time.monotonic() - started
