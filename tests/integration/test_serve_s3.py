"""What hosts get when it lies in a bucket: from the service itself, and through nginx with a cache.

Tokens are asked for at the edge; nginx has no credentials of the bucket, and fetches by the
signature that the service gives along.
"""

import contextlib
import time
from types import SimpleNamespace

import pytest
import requests

from tests.integration.test_publish_loop import Client, publish_often
from tests.integration.test_sync_s3 import command, in_bucket, next_state
from tests.support.mirror import TREE
from tests.support.nginx import memory_folder, site_of
from tests.support.rpms import RpmSpec
from tests.support.service import Service

pytest_plugins = ("tests.support.mirror_fixtures",)

OS = "BaseOS/x86_64/os"


@pytest.fixture
def bucket_site(site, s3_service):
    in_bucket(site, s3_service)
    assert site.sync().status == 0
    return site


@contextlib.contextmanager
def serving(site, tmp_path):
    service = Service(SimpleNamespace(conf=site.conf, log=tmp_path / "service.log"))
    try:
        yield service
    finally:
        service.stop()


@contextlib.contextmanager
def behind_nginx(site, tmp_path):
    def tuxmirror(*arguments):
        return command(site, *arguments).stdout

    with serving(site, tmp_path) as service, memory_folder() as memory:
        front = site_of(
            tuxmirror,
            tmp_path / "nginx",
            service.address,
            memory,
            *("--origin", "s3", "--content-cache", str(memory / "content")),
        )
        with front:
            yield front


@pytest.fixture(params=["service", "nginx"])
def server(request, bucket_site, tmp_path):
    ways = {"service": serving, "nginx": behind_nginx}
    with ways[request.param](bucket_site, tmp_path) as endpoint:
        endpoint.kind = request.param
        yield endpoint


def test_hosts_get_what_their_token_opens(server, bucket_site, tiny_tree_master):
    site = bucket_site
    key = command(site, "license", "create", "--product", "essential").stdout.strip()
    token = server.register(key).json()["token"]
    gated = f"/almalinux/9.2/{token}"
    repomd = tiny_tree_master.os_dir("BaseOS", "x86_64") / "repodata/repomd.xml"
    [package] = repomd.parents[1].rglob("alpha-*.rpm")
    path = f"{gated}/{OS}/{package.relative_to(repomd.parents[1])}"

    answer = server.get(f"{gated}/{OS}/repodata/repomd.xml")
    assert (answer.status_code, answer.content) == (200, repomd.read_bytes())
    assert answer.headers["Content-Type"] == "application/xml"
    assert answer.headers["Cache-Control"] == "no-cache"
    again = server.get(
        f"{gated}/{OS}/repodata/repomd.xml", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")

    for _ in range(2):
        answer = server.get(path)
        assert (answer.status_code, answer.content) == (200, package.read_bytes())
    assert answer.headers["Content-Type"] == "application/x-rpm"
    assert "immutable" in answer.headers["Cache-Control"]
    assert not [name for name in answer.headers if name.lower().startswith("x-amz")]
    part = server.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, package.read_bytes()[10:20])
    head = requests.head(server.url + path, timeout=30)
    assert int(head.headers["Content-Length"]) == package.stat().st_size

    assert server.get(f"{gated}/{OS}/Packages/none-1.rpm").status_code == 404
    assert server.get(f"/almalinux/9.2/{'x' * 40}/{OS}/repodata/repomd.xml").status_code == 403
    assert server.get(f"/almalinux/9.2/{OS}/repodata/repomd.xml").status_code == 403
    assert server.get("/almalinux/9.2/RPM-GPG-KEY-none").status_code == 404
    assert server.post("key/check", {"key": key}).status_code == 200
    if server.kind == "nginx":
        assert server.get("/internal/resolve").status_code == 404
        for method in ("PUT", "DELETE", "POST", "TRACE"):
            refused = requests.request(method, server.url + path, data=b"x", timeout=30)
            assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD"), method
        bearer = server.get(
            path.replace(f"/{token}", ""), headers={"Authorization": f"Bearer {token}"}
        )
        assert bearer.status_code == 200
        time.sleep(6)
        assert token not in server.access_log.read_text()
        assert token not in server.error_log.read_text()


@pytest.mark.full
def test_a_mirror_list_leads_to_one_state(server, bucket_site, tiny_upstream):
    site = bucket_site
    key = command(site, "license", "create", "--product", "essential").stdout.strip()
    token = server.register(key).json()["token"]
    first, always = server.get(f"/almalinux/9.2/{token}/BaseOS/x86_64/mirrorlist").text.split()
    assert first.startswith(server.url)
    before = requests.get(f"{first}repodata/repomd.xml", timeout=30).content
    next_state(tiny_upstream, 1)
    assert site.sync().status == 0
    # The service looks again after a second, nginx after five.
    time.sleep(7 if server.kind == "nginx" else 1.5)
    assert requests.get(f"{first}repodata/repomd.xml", timeout=30).content == before
    assert requests.get(f"{always}repodata/repomd.xml", timeout=30).content != before


@pytest.mark.parametrize("times", [4, pytest.param(50, marks=pytest.mark.full)])
def test_no_download_fails_through_publishes_to_a_bucket(
    bucket_site, tiny_upstream, tmp_path, keys, times, record_property
):
    """Real dnf, repo_gpgcheck on, through nginx, while new states are published all the time."""
    site = bucket_site
    site.trees[TREE]["open"] = "yes"
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", version="0.1", size=40_000)])
    tiny_upstream.publish(timestamp=tiny_upstream.timestamp + 1)
    assert site.sync("-q").status == 0
    with behind_nginx(site, tmp_path) as front:
        where = f"mirrorlist={front.url}/{TREE}/BaseOS/x86_64/mirrorlist"
        with Client(tmp_path / "client", where, keys.almalinux, 1) as client:
            publish_often(site, tiny_upstream, times)
            while client.rounds < max(2, times // 4):
                time.sleep(0.1)
    counted = f"{len(client.failures)} of {client.rounds}, {times} publishes"
    record_property("dnf runs that failed", counted)
    assert client.failures == []
