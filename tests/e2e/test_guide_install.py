"""The guide's first command, word for word, against our server and against nginx before it:

# dnf -y install https://repo.tuxcare.com/tuxcare/tuxcare-release-latest-9.2.$(uname -i).rpm
"""

import re

import pytest
import requests

from tests.support.mirror import run
from tests.support.nginx import memory_folder, site_of
from tests.support.rpms import RpmSpec, build_rpms

BASE = "tuxcare/9.2/base"
KEY = "RPM-GPG-KEY-TuxCare"
RELEASE = RpmSpec("tuxcare-release", version="9.2", release="1", arch="noarch")


@pytest.fixture
def based(operator, keys, tmp_path):
    """The operator also publishes release packages."""
    operator.base = tmp_path / "base"
    operator.base.mkdir()
    build_rpms([RELEASE], operator.base, key=keys.tuxcare)
    operator.trees.clear()
    operator.main["signing_key"] = keys.operator.fingerprint
    operator.main["gnupghome"] = keys.operator.homedir
    operator.add_local(BASE, public_key(tmp_path, keys), operator.base, latest="tuxcare-release")
    assert operator.sync().status == 0
    return operator


def public_key(tmp_path, keys):
    """Under the name that the guide gives."""
    path = tmp_path / KEY
    path.write_bytes(keys.tuxcare.public.read_bytes())
    return path


@pytest.fixture
def newcomer(host, keys, operator):
    """Says x86_64 for `uname -i`, as AlmaLinux does and this machine does not."""
    host.trust(keys.almalinux)
    host.use_upstream(operator.upstream.url)
    host.write("/usr/local/bin/uname", '#!/bin/sh\n[ "$1" = -i ] && echo x86_64\n', 0o755)
    return host


@pytest.mark.parametrize("in_front", [False, True], ids=["serve", "nginx"])
def test_the_guides_command_installs_the_newest(based, newcomer, keys, request, in_front):
    request.getfixturevalue("serving")
    with memory_folder() as memory:
        url = based.url
        if not in_front:
            follow_the_guide(based, newcomer, keys, url)
            return
        address = tuple(url[len("http://") :].rsplit(":", 1))

        def tuxmirror(*arguments):
            return run(based.command(*arguments), based.environment).stdout

        with site_of(tuxmirror, based.root / "nginx", address, memory) as front:
            follow_the_guide(based, newcomer, keys, front.url)


def follow_the_guide(based, newcomer, keys, url):
    install = f"dnf -y install {url}/tuxcare/tuxcare-release-latest-9.2.$(uname -i).rpm"
    newcomer.run(install)
    assert "tuxcare-release-9.2-1.noarch" in newcomer.rpmdb()

    build_rpms([RELEASE.but(release="2"), RELEASE.but(release="10")], based.base, key=keys.tuxcare)
    assert based.sync().status == 0
    newcomer.run(install)
    assert "tuxcare-release-9.2-10.noarch" in newcomer.rpmdb()

    key = requests.get(f"{url}/tuxcare/{KEY}", timeout=10)
    assert key.content == keys.tuxcare.public.read_bytes()
    page = requests.get(f"{url}/tuxcare/", timeout=10)
    assert page.headers["Content-Type"].startswith("text/html")
    names = set(re.findall(r'href="([^"]+)"', page.text))
    assert names >= {
        "tuxcare-release-latest-9.2.x86_64.rpm",
        "tuxcare-release-latest-9.2.noarch.rpm",
        KEY,
    }
    for name in names:
        assert requests.get(f"{url}/tuxcare/{name}", timeout=10).status_code == 200
    newcomer.write(
        "/etc/yum.repos.d/base.repo",
        f"[base]\nname=base\nbaseurl={url}/{BASE}/x86_64/\nenabled=1\ngpgcheck=1\n"
        f"repo_gpgcheck=1\ngpgkey={url}/{BASE}/RPM-GPG-KEY-tuxmirror {url}/tuxcare/{KEY}\n",
    )
    newcomer.dnf("-y", "--repo=base", "reinstall", "tuxcare-release")
