"""What somebody without the right token sends to nginx, as bytes: none of it brings a gated file.

Each request is sent before and after the right token has made a lease for the file.
"""

import pytest

from tests.integration.test_serve_files import PACKAGE, REPOMD, with_token
from tests.integration.test_serve_nginx import FILES, operating
from tests.support.nginx import memory_folder

GATED = f"almalinux/9.2/{PACKAGE}"
FIPS = "tuxcare/9.2/fips/x86_64/repodata/repomd.xml"
SECRET = FILES[GATED][:256]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("attacks") / "operator"
    with memory_folder() as memory, operating(root, memory) as found:
        found.memory = memory
        yield found


def request(target, method="GET", version="HTTP/1.1", host="localhost", *lines):
    head = [f"{method} {target} {version}".rstrip(), *([f"Host: {host}"] if host else []), *lines]
    return "\r\n".join([*head, "Connection: close", "", ""])


OPEN = "/almalinux/8.8/" + REPOMD
G = "/" + GATED
TARGETS = {
    "plain": G,
    "absolute": "http://localhost" + G,
    "absolute, another host": "http://127.0.0.1:1" + G,
    "absolute, a user": "http://user:password@localhost" + G,
    "absolute, the service's": "http://localhost/internal/authorize",
    "two slashes": "/" + G,
    "slashes within": G.replace("/BaseOS", "//BaseOS"),
    "here": "/." + G,
    "up and down": "/almalinux/8.8/.." + G.replace("/almalinux", ""),
    "up from open": "/cve/.." + G,
    "up from a registration": "/cln/api/els/../../.." + G,
    "encoded": G.replace("almalinux", "%61lmalinux").replace("9.2", "%39%2e2"),
    "encoded slash": G.replace("/BaseOS", "%2fBaseOS"),
    "encoded first slash": "/%2f" + G[1:],
    "encoded twice": G.replace("/BaseOS", "%252fBaseOS"),
    "encoded up": "/cve/%2e%2e" + G,
    "overlong": G.replace("9.2", "9%c0%ae2"),
    "trailing dot": G + ".",
    "trailing slash": G + "/",
    "trailing blank": G + "%20",
    "zero": G + "%00.html",
    "parameters": G + ";x=/RPM-GPG-KEY-x",
    "query": G + "?/RPM-GPG-KEY-AlmaLinux-9",
    "query of an open one": OPEN + "?../../9.2/" + PACKAGE,
    "fragment": G + "#/mirrorlist",
    "backslash": "/almalinux\\9.2\\" + PACKAGE,
    "capitals": "/ALMALINUX/9.2/" + PACKAGE,
    "key file as a folder": "/almalinux/9.2/RPM-GPG-KEY-AlmaLinux-9/../" + PACKAGE,
    "mirror list behind it": G + "%3f/mirrorlist",
    "mirror list of the service": "/internal/authorize%3f/mirrorlist",
    "mirror list of metrics": "/metrics%23/mirrorlist",
    "mirror list up": "/x/mirrorlist/.." + G,
    "channel": "/vetted" + G,
    "generation": "/.generations/vetted/1" + G,
    "generation of another": "/almalinux/9.2/.generation-1/" + PACKAGE,
    "generation up": "/almalinux/8.8/.generation-1/../../9.2/" + PACKAGE,
    "open tree, up": "/almalinux/8.8/%2e%2e/9.2/" + PACKAGE,
    "nobody": with_token(GATED, "none"),
    "a token of dots": with_token(GATED, "." * 40),
    "a token of dashes": with_token(GATED, "-" * 40),
    "a token of variables": with_token(GATED, "$tux_channel" + "x" * 30),
    "named location": "/@tux_ask" + G,
    "inner place": "/=authorize" + G,
}
HEADERS = {
    "websocket": ["Upgrade: websocket", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13"],
    "HTTP/2": ["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
    "range": ["Range: bytes=0-"],
    "range with condition": ['If-Range: "x"', "Range: bytes=0-3"],
    "any tag": ["If-None-Match: *"],
    "old date": ["If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],
    "match": ["If-Match: *"],
    "another URL": ["X-Original-URL: " + OPEN, "X-Rewrite-URL: " + OPEN, "X-Original-URI: " + OPEN],
    "inner redirect": ["X-Accel-Redirect: " + G, "X-Sendfile: /etc/passwd"],
    "what the service hears": ["X-Tuxmirror-Open: yes", "X-Tuxmirror-Path: /tuxcare/9.2/base"],
    "what the service says": ["X-Tuxmirror-Channel: vetted"],
    "empty token": ["Authorization: Bearer "],
    "nobody's": ["Authorization: Bearer none"],
    "basic": ["Authorization: Basic dHV4OnR1eA=="],
    "climbing": ["Authorization: Bearer ../../../../../../../../../vetted/almalinux"],
    "chunked": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "address": ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"],
}
REQUESTS = {
    **{f"target: {name}": request(target) for name, target in TARGETS.items()},
    **{f"header: {name}": request(G, "GET", "HTTP/1.1", "localhost", *lines)
       for name, lines in HEADERS.items()},
    **{f"method: {method}": request(G, method) for method in (
        "HEAD", "TRACE", "OPTIONS", "CONNECT", "PROPFIND", "COPY", "get", "GET/", "POST")},
    "version: 1.0": request(G, "GET", "HTTP/1.0", ""),
    "version: 1.1 without a host": request(G, "GET", "HTTP/1.1", ""),
    "version: 2.0": request(G, "GET", "HTTP/2.0"),
    "version: 9": request(G, "GET", "HTTP/9.9"),
    "version: none": f"GET {G}\r\n",
    "HTTP/2 from the start": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two hosts": request(G, "GET", "HTTP/1.1", "localhost", "Host: 127.0.0.1"),
    "host with a path": request(OPEN, "GET", "HTTP/1.1", "localhost" + G),
    "blank before a colon": request(G, "GET", "HTTP/1.1", "localhost", "Authorization : Bearer x"),
    "one after the other": request(OPEN).replace("close", "keep-alive") + request(G),
    "hidden in a body": request("/cln/api/els/key/check", "POST", "HTTP/1.1", "localhost",
                                "Content-Length: 5", "Transfer-Encoding: chunked")
    + "0\r\n\r\n" + request("/internal/authorize"),
}  # fmt: skip


def answers(site, text):
    """All that comes back, whatever it is."""
    try:
        return site.front.raw(text.encode())[1]
    except (IndexError, ValueError, ConnectionError):
        return b""


@pytest.mark.parametrize("leased", [False, True], ids=["no lease", "a lease"])
@pytest.mark.parametrize("name", REQUESTS)
def test_nothing_brings_a_gated_file(site, name, leased):
    if leased:
        for _ in range(2):
            answer = site.front.get(with_token(GATED, site.tokens["esu"]))
            assert answer.content == FILES[GATED]
    answer = answers(site, REQUESTS[name])
    assert SECRET not in answer
    assert b"x-tuxmirror" not in answer.lower()
    assert b" 500 " not in answer.split(b"\r\n")[0]
    assert b"tuxmirror_requests_total" not in answer


@pytest.mark.parametrize("name", ["plain", "absolute", "here", "encoded", "up from open"])
def test_the_same_ways_bring_it_with_the_token(site, name):
    """Else the table above would hold for another reason."""
    target = TARGETS[name].replace("9.2/", f"9.2/{site.tokens['esu']}/")
    target = target.replace("%39%2e2/", f"%39%2e2/{site.tokens['esu']}/")
    assert FILES[GATED] in answers(site, request(target))


@pytest.mark.parametrize("way", ["path", "header", "both"])
def test_a_token_of_another_product_opens_no_lease_of_its_neighbour(site, way):
    """A host with the right licence has just made the lease."""
    right, wrong = site.tokens["fips"], site.tokens["esu"]
    for _ in range(2):
        assert site.front.get(with_token(FIPS, right)).content == FILES[FIPS]
    path = "/" + FIPS if way == "header" else with_token(FIPS, wrong)
    headers = {} if way == "path" else {"Authorization": f"Bearer {right}"}
    if way == "header":
        headers = {"Authorization": f"Bearer {wrong}"}
    for _ in range(2):
        answer = site.front.get(path, headers=headers)
        assert answer.status_code == 403, answer.text
