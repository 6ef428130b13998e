"""`token_in = header`: the token as a request header, with the real dnf and the real service."""

from __future__ import annotations

import http.server
import subprocess
import threading

import pytest

from tests.support.repodata import make_repository
from tests.support.rpms import RpmSpec, build_rpms
from tests.support.service import Operator

TOOL = RpmSpec("tool", version="1.0", release="1.el9", arch="noarch")
PRODUCTS = ("--product", "esu", "--product", "essential", "--product", "fips")
REPOSITORIES = {
    "baseos": "almalinux/$tuxcare_releasever/$tuxcare_token/BaseOS/$basearch/os/",
    "tuxcare-esu": "tuxcare/$tuxcare_releasever/${tuxcare_token}/esu/$basearch/",
}


@pytest.fixture(scope="module")
def elsewhere():
    """Where the metadata of tuxcare-fips places its packages."""
    with Listener() as listener:
        yield listener


@pytest.fixture(scope="module")
def operator(tmp_path_factory, keys, elsewhere):
    folder = tmp_path_factory.mktemp("header")
    build_rpms([TOOL], folder / "repo", keys.tuxcare)
    make_repository(folder / "repo", keys.tuxcare)
    files = {
        str(path.relative_to(folder / "repo")): path.read_bytes()
        for path in (folder / "repo").rglob("*")
        if path.is_file()
    }
    published = {
        f"{place}/{name}": data
        for place in ("tuxcare/9.2/esu/x86_64", "almalinux/9.2/BaseOS/x86_64/os")
        for name, data in files.items()
    }
    misplaced = folder / "misplaced"
    build_rpms([TOOL.but(name="far-tool")], misplaced, keys.tuxcare)
    subprocess.run(["createrepo_c", "-q", "--baseurl", elsewhere.url, misplaced], check=True)
    published.update(
        (f"tuxcare/9.2/fips/x86_64/repodata/{path.name}", path.read_bytes())
        for path in (misplaced / "repodata").iterdir()
    )
    operator = Operator(folder / "operator")
    operator.publish(published)
    return operator


@pytest.fixture(scope="module")
def service(operator):
    with operator.serve() as service:
        yield service


class Listener:
    """A server of somebody else: what it was asked, with which headers."""

    def __init__(self):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, dict(self.headers)))
                self.send_error(404)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def stranger():
    with Listener() as listener:
        yield listener


@pytest.fixture
def customer(host, keys, operator, service):
    """A host with a token of the service, which it sends as a header; `token` is that token."""
    host.install_checkout()
    for path in host.path("/etc/yum.repos.d").iterdir():
        path.unlink()
    key = host.trust(keys.tuxcare, "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare")
    for repository, path in REPOSITORIES.items():
        host.add_repo(repository, f"{service.url}/{path}", gpgkey=f"file://{key}")
    licence = operator.create_licence(*PRODUCTS)
    host.token = service.register(licence).json()["token"]
    host.write("/etc/tuxcare/token", host.token + "\n", 0o600)
    configure(host, service, "header")
    return host


def configure(host, service, token_in):
    host.write(
        "/etc/tuxcare/tuxcare.conf",
        f"[main]\ntoken_in = {token_in}\n[server]\ncontent = {service.url}\n",
    )


def files_with_token(host):
    """Files of /etc, /var and /tmp that hold the token or are named by it; its own aside."""
    done = host.run(
        ["grep", "-rlaF", host.token, "/etc", "/var", "/tmp"], check=False
    ).stdout.splitlines()
    done += host.run(["find", "/etc", "/var", "/tmp", "-name", f"*{host.token}*"]).stdout.split()
    return sorted(set(done) - {"/etc/tuxcare/token"})


LOUD = ("-v", "-d", "10", "-e", "10")


def test_packages_come_with_the_token_in_no_file_and_no_output(customer):
    said = ""
    for arguments in (
        ("makecache", "--refresh"),
        (*LOUD, "install", "tool"),
        ("repolist", "-v"),
        ("repoquery", "--location", "tool"),
        ("reinstall", "tool", "--disablerepo=baseos"),
    ):
        done = customer.dnf(*arguments)
        said += done.stdout + done.stderr
    assert "tool-1.0-1.el9.noarch" in customer.rpmdb()
    assert customer.token not in said
    assert "tuxcare_token" not in said
    assert files_with_token(customer) == []


def test_the_check_for_files_finds_a_token(customer, service):
    """With the token in the path and no redaction it is in dnf's log: the test above can fail."""
    customer.dnf(
        "--disableplugin=tuxcare", "makecache", "--refresh",
        env={"DNF_VAR_tuxcare_token": customer.token, "DNF_VAR_tuxcare_releasever": "9.2"},
    )  # fmt: skip
    assert any("log" in path for path in files_with_token(customer))


def test_without_the_header_the_same_urls_let_nobody_in(customer, service):
    plain = f"{service.url}/tuxcare/9.2/esu/x86_64/repodata/repomd.xml"
    assert service.get(plain[len(service.url) :]).status_code == 403
    done = customer.dnf(
        "--disableplugin=tuxcare", "--disablerepo=*",
        f"--repofrompath=bare,{plain.rsplit('/', 2)[0]}/", "makecache", check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "403" in done.stderr


def test_a_new_token_keeps_the_cache(customer, service, operator):
    customer.dnf("makecache")

    def cached():
        return {path.name for path in customer.path("/var/cache/dnf").glob("*-????????????????")}

    before = cached()
    licence = operator.create_licence(*PRODUCTS)
    customer.token = service.register(licence).json()["token"]
    customer.write("/etc/tuxcare/token", customer.token + "\n", 0o600)
    customer.dnf("makecache", "--refresh")
    assert cached() == before != set()


def test_a_variable_file_does_not_bring_the_token_back_into_urls(customer):
    customer.write("/etc/dnf/vars/tuxcare_token", customer.token + "\n", 0o600)
    customer.dnf("-v", "makecache", "--refresh")
    assert files_with_token(customer) == ["/etc/dnf/vars/tuxcare_token"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            "--setopt=tuxcare-esu.baseurl={stranger}/tuxcare/9.2/$tuxcare_token/esu/",
            marks=pytest.mark.full,
        ),
        "--setopt=tuxcare-esu.baseurl={service}/tuxcare/9.2/$tuxcare_token/esu/x86_64/,"
        "{stranger}/tuxcare/9.2/$tuxcare_token/esu/",
        "--setopt=tuxcare-esu.mirrorlist={service}/list/$tuxcare_token/x",
        pytest.param(
            "--setopt=tuxcare-esu.metalink={stranger}/list/$tuxcare_token/x",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "--setopt=tuxcare-esu.baseurl={service}.example/tuxcare/9.2/$tuxcare_token/esu/",
            marks=pytest.mark.full,
        ),
    ],
)
def test_a_repository_that_may_ask_somebody_else_gets_no_token(
    customer, service, stranger, options
):
    option = options.format(service=service.url, stranger=stranger.url)
    done = customer.dnf("--disablerepo=baseos", option, "makecache", "--refresh", check=False)
    assert "repositories are left out: tuxcare-esu" in done.stderr
    assert stranger.asked == []
    assert files_with_token(customer) == []


def test_other_repositories_are_asked_without_it(customer, stranger):
    customer.dnf(
        f"--repofrompath=other,{stranger.url}/other/", "--repo=other", "makecache", check=False
    )
    assert stranger.asked
    assert all("Authorization" not in headers for _, headers in stranger.asked)
    assert all(customer.token not in path for path, _ in stranger.asked)


def test_a_package_that_lies_elsewhere_is_not_fetched(customer, service, elsewhere):
    url = f"{service.url}/tuxcare/9.2/$tuxcare_token/fips/x86_64/"
    customer.add_repo("tuxcare-fips", url, gpgcheck=0)
    done = customer.dnf("install", "far-tool", check=False)
    assert done.returncode == 1
    assert "repository tuxcare-fips places far-tool-1.0-1.el9.noarch at http://localhost" in (
        done.stderr
    )
    assert elsewhere.asked == []
    assert customer.dnf("install", "tool").returncode == 0


def test_a_refused_header_is_reported_without_the_token(customer, service):
    customer.write("/etc/tuxcare/token", customer.token[::-1] + "\n", 0o600)
    done = customer.dnf("makecache", "--refresh", check=False)
    assert done.returncode == 1
    assert "403" in done.stderr
    assert customer.token[::-1] not in done.stdout + done.stderr
    customer.token = customer.token[::-1]
    assert files_with_token(customer) == []


def test_the_way_through_the_path_stays_the_default(customer, service):
    configure(customer, service, "path")
    done = customer.dnf("install", "tool")
    assert "tool" in done.stdout
    assert files_with_token(customer) == []
