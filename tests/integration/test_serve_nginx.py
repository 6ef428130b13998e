"""The real nginx in front of the service: the same answers, no secrets in logs, no failed download.

What takes as long as a revocation takes is marked `full`.
"""

import contextlib
import time
from types import SimpleNamespace

import pytest
import requests

from tests.integration.test_serve_files import CONTENT, OS, PACKAGE, REPOMD, with_token
from tests.support.nginx import free_port, in_front, memory_folder
from tests.support.service import Operator

TREES = (
    "[almalinux/8.8]\nrepos = BaseOS\narches = x86_64\ngpgkey = /k\nopen = yes\n"
    "upstream = http://127.0.0.1:1/\n"
    "[tuxcare/8.8/extra]\ntype = local\nsource = /s\narches = x86_64\ngpgkey = /k\nopen = yes\n"
)
EXTRA = "tuxcare/8.8/extra/x86_64/repodata/repomd.xml"
# nginx has a place of its own for packages: what looks like them and is not, and what is.
PACKAGES = {
    f"almalinux/9.2/{OS}/Packages/x-latest-1-1.el9.noarch.rpm": b"may change",
    "almalinux/9.2/BaseOS/RPM-GPG-KEY-x.rpm": b"key",
    "almalinux/9.2/BaseOS/RPM-GPG-KEY-x.asc": b"key",
    f"almalinux/8.8/{OS}/Packages/open-1-1.el8.noarch.rpm": b"open",
    "tuxcare/8.8/extra/x86_64/open-1-1.el8.noarch.rpm": b"open",
    "tuxcare/8.8/esu/x86_64/gated-1-1.el8.noarch.rpm": b"gated",
    "tuxcare/9.2/base/x86_64/open-1-1.el9.noarch.rpm": b"open",
    "tuxcare/9.2/esu/x86_64/gated-1-latest.el9.noarch.rpm": b"gated",
}
FILES = {
    **CONTENT,
    **PACKAGES,
    EXTRA: b"<extra/>",
    "tuxcare/9.2/esu/RPM-GPG-KEY-TuxCare": b"key",
}
GATED = f"almalinux/9.2/{REPOMD}"
KINDS = {
    "essential": ("--product", "essential"),
    "esu": ("--product", "esu"),
    "fips": ("--product", "fips"),
    "9.4": ("--product", "esu", "--release", "9.4"),
    "canary": ("--product", "esu", "--channel", "canary"),
    "nowhere": ("--product", "esu", "--channel", "nowhere"),
}


@pytest.fixture(scope="module")
def memory():
    with memory_folder() as folder:
        yield folder


@contextlib.contextmanager
def operating(root, memory):
    """`service` alone and `front`, which is nginx before it; `tokens` by kind of licence."""
    operator = Operator(root, main=f"leases = {memory}/leases", trees=TREES)
    operator.publish(FILES)
    operator.publish({path: b"canary " + data for path, data in FILES.items()}, "canary")
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        tokens = {
            kind: front.register(operator.create_licence(*terms), kind).json()["token"]
            for kind, terms in KINDS.items()
        }
        yield SimpleNamespace(operator=operator, service=service, front=front, tokens=tokens)


@pytest.fixture(scope="module")
def site(tmp_path_factory, memory):
    with operating(tmp_path_factory.mktemp("nginx") / "operator", memory) as found:
        yield found


def alone(tmp_path, memory):
    operator = Operator(tmp_path / "operator", main=f"leases = {memory}/leases-{free_port()}")
    operator.publish(CONTENT)
    return operator


def test_nginx_finds_no_fault_with_it(site):
    assert "warn" not in site.front.check()


PATHS = [
    *("/" + path for path in FILES if path not in PACKAGES),
    *("/", "/tuxcare", "/tuxcare/", "/almalinux", "/almalinux/", "/almalinux/9.2"),
    *("/almalinux/9.2/", "/almalinux/9.2/BaseOS", f"/almalinux/9.2/{OS}/repodata/"),
    *(
        f"/almalinux/9.2/{OS}/nothing",
        "/rss_feed",
        "/rss_feed/",
        "/cve/",
        "/cve",
        "/cve/index",
        "/cve/none",
    ),
    *("/tuxcare/9.2/base", "/tuxcare/9.2/base/", "/tuxcare/9.2/base/none", "/.generations"),
    *(f"/almalinux/9.2/.generation-1/{REPOMD}", f"/almalinux/8.8/.generation-1/{REPOMD}"),
    "/tuxcare/9.2/.generation-1/base/x86_64/repodata/repomd.xml",
    "/tuxcare/8.8/.generation-1/extra/x86_64/repodata/repomd.xml",
    *("/healthz/x", "/openapi.json/", "/vetted/" + GATED, "/canary/" + GATED, "/favicon.ico"),
    f"/almalinux/9.2/{OS}/Packages/libstdc%2B%2B-1.0-1.el9.x86_64.rpm",
    f"/almalinux/9.2/{OS}/Packages/libstdc++-1.0-1.el9.x86_64.rpm?x=y",
]


def same(site, path, **headers):
    """Asks both; returns the status."""
    ours, theirs = (
        server.get(path, headers=headers, allow_redirects=False)
        for server in (site.service, site.front)
    )
    assert theirs.status_code == ours.status_code, path
    assert theirs.headers.get("Cache-Control") == ours.headers.get("Cache-Control"), path
    if ours.status_code == 200:
        assert theirs.content == ours.content
        if not path.endswith("/TIME"):
            assert theirs.headers["Content-Type"] == ours.headers["Content-Type"]
        assert path == "/tuxcare/" or theirs.headers["X-Content-Type-Options"] == "nosniff"
    elif ours.status_code in (403, 404):
        assert theirs.text == ours.text
    elif ours.status_code == 308:
        assert theirs.headers["Location"].endswith(ours.headers["Location"])
    return ours.status_code


def test_without_a_token_it_answers_as_the_embedded_server_does(site):
    found = {path: same(site, path) for path in PATHS}
    assert {200, 308, 403, 404} == set(found.values())
    opened = {path[1:] for path, status in found.items() if status == 200}
    assert {"tuxcare/", EXTRA, f"almalinux/8.8/{REPOMD}", "rss_feed/releases/almalinux9.2esu"} <= (
        opened
    )


@pytest.mark.parametrize("kind", [*KINDS, "wrong"])
def test_with_a_token_it_answers_as_the_embedded_server_does(site, kind):
    token = site.tokens.get(kind, "x" * 43)
    tried = [path for path in PATHS if path.count("/") >= 3 and not path.startswith("/tracker")]
    found = set()
    for path in tried:
        if not path.startswith("/rss_feed"):
            found.add(same(site, with_token(path[1:], token)))
        # Once from the service, once by the lease.
        found |= {same(site, path, Authorization=f"Bearer {token}") for _ in range(2)}
    assert {200, 403} <= found | ({200} if kind == "nowhere" else set())


@pytest.mark.parametrize("kind", ["essential", "esu", "canary", None])
@pytest.mark.parametrize("path", PACKAGES)
def test_what_looks_like_a_package_is_answered_as_the_embedded_server_does(site, kind, path):
    if kind is None:
        same(site, "/" + path)
        return
    token = site.tokens[kind]
    # Once from the service, once by the lease.
    found = {same(site, with_token(path, token)) for _ in range(2)}
    found |= {same(site, "/" + path, Authorization=f"Bearer {token}") for _ in range(2)}
    assert found == {403 if kind == "essential" and "/esu/" in path else 200}


def test_the_licence_chooses_the_channel_also_of_open_files(site):
    for path in (GATED, "almalinux/9.2/RPM-GPG-KEY-AlmaLinux-9", EXTRA):
        for token, content in ((site.tokens["canary"], b"canary " + FILES[path]),):
            assert site.front.get(with_token(path, token)).content == content


@pytest.mark.parametrize(
    "path",
    [
        "/almalinux/9.2/{}/BaseOS/x86_64/mirrorlist",
        "/almalinux/9.2/BaseOS/x86_64/mirrorlist",
        "/almalinux/8.8/BaseOS/x86_64/mirrorlist",
        "/tuxcare/9.2/{}/fips/x86_64/mirrorlist",
        "/tuxcare/9.2/base/x86_64/mirrorlist",
    ],
)
@pytest.mark.parametrize("kind", ["esu", "fips", "canary", "nowhere", None])
def test_mirror_lists_are_those_of_the_embedded_server(site, path, kind):
    token = site.tokens.get(kind, "x" * 43)
    headers = {"Authorization": f"Bearer {token}"} if kind and "{}" not in path else {}
    path = path.format(token if kind else "")
    ours, theirs = (server.get(path, headers=headers) for server in (site.service, site.front))
    assert theirs.status_code == ours.status_code
    assert theirs.headers["Cache-Control"] == ours.headers["Cache-Control"] == "no-store"
    assert theirs.text == ours.text.replace(site.service.url, site.front.url)
    for url in theirs.text.split() if theirs.status_code == 200 else ():
        assert url.startswith(f"{site.front.url}/")
        assert requests.get(f"{url}repodata/repomd.xml", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/almalinux/9.2/.generation-1/{REPOMD}", 200),
        (f"/almalinux/9.2/.generation-2/{REPOMD}", 404),  # another channel's
        (f"/almalinux/9.2/.generation-01/{REPOMD}", 404),
        ("/almalinux/9.2/.generation-1", 403),
        ("/tuxcare/9.2/.generation-1/fips/x86_64/repodata/repomd.xml", 403),
    ],
)
def test_a_generation_is_that_of_the_licences_channel(site, path, status):
    assert same(site, with_token(path[1:], site.tokens["esu"])) == status
    assert same(site, path, Authorization=f"Bearer {site.tokens['esu']}") == status


def test_a_mirror_list_behind_a_balancer_names_what_the_client_spoke(site):
    path = "/tuxcare/9.2/base/x86_64/mirrorlist"
    answer = site.front.get(path, headers={"X-Forwarded-Proto": "https", "Host": "repo.example"})
    assert answer.text.split() == [
        "https://repo.example/tuxcare/9.2/.generation-1/base/x86_64/",
        "https://repo.example/tuxcare/9.2/base/x86_64/",
    ]


def test_a_lease_ends_with_its_time_and_belongs_to_one_token(site, memory):
    assert site.front.get(with_token(GATED, site.tokens["esu"])).status_code == 200
    slots = sorted(int(path.name) for path in (memory / "leases").iterdir())
    assert abs(slots[-1] - time.time() // 10) <= 1
    assert len(slots) <= 3
    names = {path.name for path in (memory / "leases" / str(slots[-1])).glob("*/*/*")}
    assert names
    assert names <= set(site.tokens.values())
    assert {path.stat().st_mode & 0o777 for path in (memory / "leases").rglob("*")
            if not path.is_symlink()} == {0o711}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=0-9", 206), ("bytes=-5", 206), ("bytes=0-1,4-5", 200), ("bytes=999999-", 416)],
)
def test_ranges_are_those_of_the_embedded_server(site, wanted, status):
    path = with_token(f"almalinux/9.2/{PACKAGE}", site.tokens["esu"])
    ours, theirs = (s.get(path, headers={"Range": wanted}) for s in (site.service, site.front))
    assert (ours.status_code, theirs.status_code) == (status, status)
    if status != 416:
        assert ours.content == theirs.content


def test_what_did_not_change_is_not_sent_again(site):
    path = with_token(GATED, site.tokens["esu"])
    first = site.front.get(path)
    for name, value in (("If-None-Match", first.headers["ETag"]),
                        ("If-Modified-Since", first.headers["Last-Modified"])):  # fmt: skip
        assert site.front.get(path, headers={name: value}).status_code == 304


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_content_is_read_only(site, method):
    for path in ("/" + GATED, with_token(GATED, site.tokens["esu"]), f"/almalinux/8.8/{REPOMD}"):
        answer = requests.request(method, site.front.url + path, data=b"x", timeout=10)
        assert answer.status_code in (403, 404, 405), (path, answer.status_code)


@pytest.mark.parametrize(
    "trick",
    [
        "/almalinux/9.2/{token}/../../../etc/passwd",
        "/almalinux/9.2/{token}/%2e%2e/%2e%2e/%2e%2e/store/state/pepper",
        "/almalinux/9.2/{token}/..%2f..%2f..%2fstore%2fstate%2fpepper",
        "/almalinux/9.2/{token}//BaseOS/x86_64/os/repodata/repomd.xml",
        "/almalinux/9.2/{token}/BaseOS%00/x86_64/os/repodata/repomd.xml",
        "/almalinux/8.8/../9.2/" + REPOMD,
        "/tuxcare/9.2/base/../esu/x86_64/repodata/repomd.xml",
        "/tuxcare/9.2/base/%2e%2e/esu/x86_64/repodata/repomd.xml",
        "/cve/../almalinux/9.2/" + REPOMD,
        "/=authorize",
        "/=authorize-open",
        "/internal/authorize",
        "/metrics",
        "/@tux_ask",
        "/cln/api/els/../../../internal/authorize",
        "/cln/api/els/%2e%2e/%2e%2e/%2e%2e/metrics",
    ],
)
def test_tricks_reach_nothing(site, trick):
    status, answer = site.front.raw_get(trick.format(token=site.tokens["essential"]))
    assert status in (400, 403, 404), answer
    assert b"X-Tuxmirror-Channel" not in answer


def test_a_client_cannot_say_who_it_is_or_that_a_path_is_open(site):
    lies = {"X-Tuxmirror-Open": "yes", "X-Tuxmirror-Path": "/tuxcare/9.2/base/x",
            "X-Forwarded-For": "203.0.113.9"}  # fmt: skip
    assert site.front.get("/" + GATED, headers=lies).status_code == 403
    key = site.operator.create_licence("--product", "esu")
    body = {"key": key, "host_name": "liar"}
    url = site.front.url + "/cln/api/els/token/register"
    assert requests.post(url, json=body, headers=lies, timeout=10).status_code == 200
    [entry] = [e for e in site.operator.audit if e.get("host_name") == "liar"]
    assert entry["remote"] == "127.0.0.1"


def test_too_big_a_body_is_told_as_the_service_tells_it(site):
    for server in (site.service, site.front):
        answer = server.post("key/check", {"key": "x" * 20_000})
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
