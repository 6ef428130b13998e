"""Upstreams behind TLS: who they are is proven, and nobody leads away from it."""

import re
import subprocess

import pytest

from tests.support.httpd import Httpd
from tests.support.mirror import TREE
from tests.support.nginx import Nginx, free_port
from tests.support.rpms import RpmSpec
from tests.support.tls import Authority

pytest_plugins = ("tests.support.mirror_fixtures",)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def secure(synced, tiny_upstream, authority):
    """A function: a synced mirror whose upstream now shows such a certificate."""
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("delta", size=100_000)])
    tiny_upstream.publish()
    servers = []

    def serve(certificates=authority, **options):
        server = Httpd(tiny_upstream.root, tls=certificates.server(**options)).__enter__()
        servers.append(server)
        synced.trees[TREE]["upstream"] = f"{server.url}/9.2"
        synced.ca_file = authority.certificate
        return server

    yield serve
    for server in servers:
        server.__exit__()


def refused(site, *words):
    with site.harmless():
        run = site.sync("--json")
    assert run.status == 3, run
    said = "\n".join(map(str, run.error.values()))
    for word in words:
        assert re.search(word, said), run
    assert run.error["way_out"]
    return run


def test_a_good_certificate_is_taken(synced, secure):
    server = secure()
    run = synced.sync("--json")
    assert run.status == 0, run
    assert server.paths("*/delta-*.rpm")
    assert "delta-1.0-1.el9.x86_64.rpm" in synced.packages()


def test_a_certificate_of_an_unknown_authority_is_refused(synced, secure, tmp_path):
    server = secure(Authority(tmp_path / "stranger"))
    refused(synced, "certificate")
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(synced, secure):
    server = secure(name="DNS:repo.almalinux.org")
    refused(synced, "certificate|does not match")
    assert server.requests == []


def test_an_expired_certificate_is_refused(synced, secure):
    server = secure(days=-1)
    refused(synced, "certificate|expired")
    assert server.requests == []


def test_no_certificate_at_all_is_refused(synced, secure, upstream):
    """https asked for, http spoken."""
    synced.ca_file = secure and None
    synced.trees[TREE]["upstream"] = upstream.url.replace("http:", "https:") + "/9.2"
    refused(synced)


@pytest.mark.parametrize("pattern", ["*/repomd.xml", "*/delta-*.rpm"])
def test_a_redirect_from_https_to_http_is_refused(synced, secure, upstream, pattern):
    """The host may be one that another tree asks over http: this one said https."""
    server = secure()
    server.fault(pattern, "redirect", to=f"{upstream.url}/9.2/BaseOS/x86_64/os/anything")
    refused(synced, "redirects to", "not a configured mirror")
    assert upstream.requests == []


def test_the_mirror_after_a_bad_one_is_asked(synced, secure, tmp_path):
    bad = secure(Authority(tmp_path / "stranger"))
    good = secure()
    synced.trees[TREE]["upstream"] = f"{bad.url}/9.2 {good.url}/9.2"
    run = synced.sync("--json")
    assert run.status == 0, run
    assert [event["host"] for event in run.named("mirror")] == [bad.url.removeprefix("https://")]


SITE = """
log_format spoken '$server_protocol $connection $uri';
server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {root};
    access_log {log};
}}
"""


def test_http2_is_spoken_where_the_server_does(synced, secure, tiny_upstream, authority, tmp_path):
    """Many requests on few connections, and the same checks."""
    secure()
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec(f"many{n}", size=2000) for n in range(80)])
    tiny_upstream.publish()
    certificate, key = authority.issue()
    port, log = free_port(), tmp_path / "spoken.log"
    config = SITE.format(
        port=port, certificate=certificate, key=key, root=tiny_upstream.root, log=f"{log} spoken"
    )
    synced.trees[TREE]["upstream"] = f"https://127.0.0.1:{port}/9.2"
    subprocess.run(["chmod", "-R", "a+rX", tiny_upstream.root], check=True)
    with Nginx(tmp_path / "nginx", config, port):
        run = synced.sync("--json")
    assert run.status == 0, run
    assert len(synced.packages()) == 84
    spoken = [line.split() for line in log.read_text().splitlines()]
    packages = [line for line in spoken if line[2].endswith(".rpm")]
    assert {protocol for protocol, *_ in packages} == {"HTTP/2.0"}
    assert len(packages) == 81
    assert len({connection for _, connection, _ in packages}) <= 4


def test_http2_does_not_loosen_a_check(synced, secure, tiny_upstream, authority, tmp_path):
    """More bytes than promised, in frames this time."""
    secure()
    [path] = tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("evil", size=200_000)])
    tiny_upstream.publish()
    path.write_bytes(path.read_bytes() + b"x" * 5_000_000)
    certificate, key = authority.issue()
    port = free_port()
    config = SITE.format(
        port=port, certificate=certificate, key=key, root=tiny_upstream.root, log="off"
    )
    synced.trees[TREE]["upstream"] = f"https://127.0.0.1:{port}/9.2"
    with Nginx(tmp_path / "nginx", config, port):
        run = synced.sync("--json")
    assert run.status == 4, run
    assert "sent more than" in run.error["found"]
