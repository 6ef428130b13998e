"""Published files from the real server: who gets what, and how."""

import hashlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
import requests

from tests.support.service import Operator

OS = "BaseOS/x86_64/os"
REPOMD = f"{OS}/repodata/repomd.xml"
PRIMARY = f"{OS}/repodata/{'ab' * 32}-primary.xml.gz"
PACKAGE = f"{OS}/Packages/libstdc++-1.0-1.el9.x86_64.rpm"
CONTENT = {
    f"almalinux/9.2/{REPOMD}": b"<repomd/>",
    f"almalinux/9.2/{REPOMD}.asc": b"signature",
    f"almalinux/9.2/{PRIMARY}": b"\x1f\x8bgzip",
    f"almalinux/9.2/{PACKAGE}": bytes(range(256)) * 64,
    "almalinux/9.2/TIME": b"1800000000\n",
    "almalinux/9.2/SNAPSHOT.json": b"{}",
    "almalinux/9.2/RPM-GPG-KEY-AlmaLinux-9": b"key",
    f"almalinux/9.4/{REPOMD}": b"<repomd/>",
    f"almalinux/8.8/{REPOMD}": b"<repomd/>",
    "tuxcare/9.2/esu/x86_64/repodata/repomd.xml": b"<repomd/>",
    "tuxcare/9.2/fips/x86_64/repodata/repomd.xml": b"<repomd/>",
    "tuxcare/9.2/base/x86_64/repodata/repomd.xml": b"<repomd/>",
    "tuxcare/9.2/almalinux9.2-esu-oval.xml": b"<oval/>",
    "tuxcare/RPM-GPG-KEY-TuxCare": b"key",
    "tuxcare/tuxcare-release-latest-9.2.x86_64.rpm": b"rpm",
    "tuxcare/internal.txt": b"internal",
    "rss_feed/releases/almalinux9.2esu": b"<rss/>",
    "cve/index.html": b"<html/>",
    "csaf/provider-metadata.json": b"{}",
}
SIZE = len(CONTENT[f"almalinux/9.2/{PACKAGE}"])


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    operator = Operator(
        tmp_path_factory.mktemp("serve") / "operator",
        trees="[almalinux/8.8]\nrepos = BaseOS\narches = x86_64\ngpgkey = /k\nopen = yes\n"
        "upstream = http://127.0.0.1:1/\n",
    )
    operator.publish(CONTENT)
    operator.publish({**CONTENT, f"almalinux/9.2/{REPOMD}": b"<canary/>"}, "canary")
    return operator


@pytest.fixture(scope="module")
def service(operator):
    with operator.serve() as service:
        yield service


@pytest.fixture(scope="module")
def tokens(operator, service):
    """A token for each kind of licence."""
    kinds = {
        "essential": ("--product", "essential"),
        "esu": ("--product", "esu"),
        "fips": ("--product", "fips"),
        "9.4": ("--product", "esu", "--release", "9.4"),
        "canary": ("--product", "esu", "--channel", "canary"),
        "nowhere": ("--product", "esu", "--channel", "nowhere"),
    }
    return {
        kind: service.register(operator.create_licence(*terms), kind).json()["token"]
        for kind, terms in kinds.items()
    }


def with_token(path, token):
    first, second, rest = path.split("/", 2)
    return f"/{first}/{second}/{token}/{rest}"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", sorted(p for p in CONTENT if p.startswith("almalinux/9.2/")))
def test_a_token_opens_in_the_path_and_in_the_header(service, tokens, path):
    in_path = service.get(with_token(path, tokens["essential"]))
    in_header = service.get("/" + path, headers=bearer(tokens["essential"]))
    assert in_path.status_code == in_header.status_code == 200
    assert in_path.content == in_header.content == CONTENT[path]
    assert "Content-Encoding" not in in_path.headers


MATRIX = {
    "essential": {"almalinux/9.2", "almalinux/9.4"},
    "esu": {"almalinux/9.2", "almalinux/9.4", "tuxcare/9.2/esu"},
    "fips": {"almalinux/9.2", "almalinux/9.4", "tuxcare/9.2/esu", "tuxcare/9.2/fips"},
    "9.4": {"almalinux/9.4"},
}


@pytest.mark.parametrize("kind", sorted(MATRIX))
def test_each_licence_opens_what_was_bought_and_nothing_else(service, tokens, kind):
    paths = {
        "almalinux/9.2": f"almalinux/9.2/{REPOMD}",
        "almalinux/9.4": f"almalinux/9.4/{REPOMD}",
        "tuxcare/9.2/esu": "tuxcare/9.2/esu/x86_64/repodata/repomd.xml",
        "tuxcare/9.2/fips": "tuxcare/9.2/fips/x86_64/repodata/repomd.xml",
    }
    answers = {name: service.get(with_token(p, tokens[kind])) for name, p in paths.items()}
    assert {name for name, a in answers.items() if a.status_code == 200} == MATRIX[kind]
    assert {a.status_code for name, a in answers.items() if name not in MATRIX[kind]} <= {403}


def test_every_refusal_is_the_same(service, tokens):
    gated = f"almalinux/9.2/{REPOMD}"
    answers = [
        service.get("/" + gated),
        service.get("/almalinux/9.2/nothing/here"),
        service.get("/nothing/at/all"),
        service.get(with_token(gated, "x" * 43)),
        service.get(with_token(gated, tokens["9.4"])),
        service.get(with_token(gated, tokens["esu"][:-1] + "_")),
        service.get("/" + gated, headers=bearer("nonsense")),
        service.get("/" + gated, headers={"Authorization": "Basic eDp5"}),
        service.get("/tuxcare/internal.txt"),
        service.get("/tuxcare/9.2"),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    headers = [{k: v for k, v in a.headers.items() if k != "Date"} for a in answers]
    assert all(h == headers[0] for h in headers)


@pytest.mark.parametrize(
    "path",
    [
        "almalinux/9.2/RPM-GPG-KEY-AlmaLinux-9",
        f"almalinux/8.8/{REPOMD}",
        "tuxcare/9.2/base/x86_64/repodata/repomd.xml",
        "tuxcare/9.2/almalinux9.2-esu-oval.xml",
        "tuxcare/RPM-GPG-KEY-TuxCare",
        "tuxcare/tuxcare-release-latest-9.2.x86_64.rpm",
        "rss_feed/releases/almalinux9.2esu",
        "cve/index.html",
    ],
)
def test_open_files_need_no_token_and_mind_no_wrong_one(service, path):
    assert service.get("/" + path).content == CONTENT[path]
    assert service.get("/" + path, headers=bearer("wrong")).content == CONTENT[path]


def test_the_index_lists_what_a_newcomer_may_have(service):
    page = service.get("/tuxcare/")
    assert page.status_code == 200
    assert 'href="tuxcare-release-latest-9.2.x86_64.rpm"' in page.text
    assert 'href="RPM-GPG-KEY-TuxCare"' in page.text
    assert "internal" not in page.text
    assert service.get("/tuxcare").url == service.url + "/tuxcare/"


@pytest.mark.parametrize("path", ["/", "/almalinux/", "/almalinux", "/rss_feed/", "/csaf/"])
def test_no_other_folder_is_listed(service, path):
    assert service.get(path).status_code in (403, 404)


@pytest.mark.parametrize("path", [f"/{OS}", f"/{OS}/", f"/{OS}/repodata", ""])
def test_folders_of_a_repository_are_not_listed(service, tokens, path):
    assert service.get(f"/almalinux/9.2/{tokens['esu']}{path}").status_code in (403, 404)


def test_the_csaf_provider_is_found_under_its_well_known_name(service):
    path = "csaf/provider-metadata.json"
    assert service.get(f"/.well-known/{path}").content == service.get(f"/{path}").content == b"{}"


@pytest.mark.parametrize("path", ["/cve", "/cve/", "/cve/index"])
def test_the_tracker_is_found_as_people_type_it(service, path):
    assert service.get(path).content == b"<html/>"
    assert service.get("/cve").url == service.url + "/cve/"


@pytest.mark.parametrize("path", ["/cve/none", "/cve/none/", "/cve/index.html/", "/cve/index/"])
def test_what_the_tracker_does_not_have_is_not_found(service, path):
    assert service.get(path).status_code == 404


def test_what_is_not_published_is_not_found(service, tokens):
    answer = service.get(with_token(f"almalinux/9.2/{OS}/nothing.rpm", tokens["esu"]))
    assert answer.status_code == 404
    assert service.get("/cve/nothing.html").status_code == 404


def test_the_licence_chooses_the_channel(service, tokens):
    path = f"almalinux/9.2/{REPOMD}"
    assert service.get(with_token(path, tokens["canary"])).content == b"<canary/>"
    assert service.get(with_token(path, tokens["esu"])).content == b"<repomd/>"
    assert service.get(with_token(path, tokens["nowhere"])).status_code == 404
    for channel in ("vetted", "canary", ".generations/vetted/1"):
        assert service.get(
            with_token(f"{channel}/almalinux/{path}", tokens["esu"])
        ).status_code in (
            403,
            404,
        )


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        (REPOMD, "application/xml", "no-cache"),
        (REPOMD + ".asc", "application/pgp-signature", "no-cache"),
        (PRIMARY, "application/gzip", "private, max-age=31536000, immutable"),
        (PACKAGE, "application/x-rpm", "private, max-age=31536000, immutable"),
        ("TIME", "text/plain; charset=utf-8", "no-cache"),
        ("SNAPSHOT.json", "application/json", "no-cache"),
    ],
)
def test_types_and_caching_fit_the_file(service, tokens, path, kind, cache):
    answer = service.get(f"/almalinux/9.2/{tokens['esu']}/{path}")
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cache-Control"] == cache
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        ("/tuxcare/tuxcare-release-latest-9.2.x86_64.rpm", "application/x-rpm", "no-cache"),
        ("/tuxcare/RPM-GPG-KEY-TuxCare", "application/pgp-keys", "no-cache"),
        ("/rss_feed/releases/almalinux9.2esu", "application/rss+xml", "no-cache"),
        ("/cve/index.html", "text/html; charset=utf-8", "no-cache"),
    ],
)
def test_types_and_caching_fit_the_open_file(service, path, kind, cache):
    answer = service.get(path)
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (kind, cache)


def test_percent_encoded_names_are_the_same_names(service, tokens):
    path = with_token(f"almalinux/9.2/{PACKAGE}", tokens["esu"])
    encoded = path.replace("+", "%2b")
    assert encoded != path
    whole = "".join(f"%{ord(c):02X}" if c.isalnum() else c for c in path)
    for form in (path, encoded, whole):
        status, answer = service.raw_get(form)
        assert status == 200
        assert answer.endswith(CONTENT[f"almalinux/9.2/{PACKAGE}"])


def package_url(tokens):
    return with_token(f"almalinux/9.2/{PACKAGE}", tokens["esu"])


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        (f"bytes=5-{SIZE + 100}", 5, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
    ],
)
def test_a_range_is_sent_alone(service, tokens, wanted, start, stop):
    answer = service.get(package_url(tokens), headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.content == CONTENT[f"almalinux/9.2/{PACKAGE}"][start:stop]


def test_a_connection_is_usable_after_a_range(service, tokens):
    with requests.Session() as session:
        for _ in range(5):
            part = session.get(
                service.url + package_url(tokens), headers={"Range": "bytes=10-19"}, timeout=10
            )
            assert len(part.content) == 10
            assert len(session.get(service.url + package_url(tokens), timeout=10).content) == SIZE


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}"])
def test_a_range_beyond_the_end_is_refused_with_the_size(service, tokens, wanted):
    answer = service.get(package_url(tokens), headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,4-5", "bytes=x", "lines=1-2", "bytes=9-5", "", "bytes=--5"]
)
def test_a_range_that_cannot_be_sent_alone_gives_the_whole(service, tokens, wanted):
    answer = service.get(package_url(tokens), headers={"Range": wanted})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_if_range_sends_the_whole_when_the_file_is_another(service, tokens):
    etag = service.get(package_url(tokens)).headers["ETag"]
    same = {"Range": "bytes=0-9", "If-Range": etag}
    other = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert service.get(package_url(tokens), headers=same).status_code == 206
    assert service.get(package_url(tokens), headers=other).status_code == 200


def test_head_has_the_headers_and_no_body(service, tokens):
    url = service.url + package_url(tokens)
    whole = requests.get(url, timeout=10)
    head = requests.head(url, timeout=10)
    for name in ("Content-Length", "ETag", "Last-Modified", "Content-Type", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]
    assert head.content == b""
    assert requests.head(service.url + f"/almalinux/9.2/{REPOMD}", timeout=10).status_code == 403


def test_what_did_not_change_is_not_sent_again(service, tokens):
    first = service.get(package_url(tokens))
    for name, value in (
        ("If-None-Match", first.headers["ETag"]),
        ("If-None-Match", f'"x", W/{first.headers["ETag"]}'),
        ("If-Modified-Since", first.headers["Last-Modified"]),
    ):
        again = service.get(package_url(tokens), headers={name: value})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]


def test_a_connection_goes_on_after_what_did_not_change(service, tokens):
    path = with_token(f"almalinux/9.2/{REPOMD}", tokens["esu"])
    etag = service.get(path).headers["ETag"]
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\n".encode()
    status, answer = service.raw((head + b"\r\n") * 3 + head + b"Connection: close\r\n\r\n")
    assert status == 304
    assert answer.count(b"HTTP/1.1 304") == 4
    assert answer.count(b"Connection: close") == 1


@pytest.mark.parametrize(
    "condition",
    [
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": formatdate(0, usegmt=True)},
        # After a rollback the file is older than what the client has.
        {"If-Modified-Since": formatdate(time.time() + 86400, usegmt=True)},
        {"If-Modified-Since": "nonsense"},
    ],
)
def test_what_is_another_is_sent(service, tokens, condition):
    assert service.get(package_url(tokens), headers=condition).status_code == 200


def test_an_index_replaced_within_one_tick_has_another_etag(operator, service, tokens):
    path = operator.public / "vetted" / "almalinux/9.2" / REPOMD
    before = path.stat()
    url = with_token(f"almalinux/9.2/{REPOMD}", tokens["esu"])
    etag = service.get(url).headers["ETag"]
    new = path.with_name("new")
    new.write_bytes(b"<REPOMD/>")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.rename(path)
    answer = service.get(url, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (200, b"<REPOMD/>")
    path.write_bytes(CONTENT[f"almalinux/9.2/{REPOMD}"])


TRICKS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc/passwd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e/x",
    "./BaseOS",
    "BaseOS//x86_64/os/repodata/repomd.xml",
    "BaseOS/x86_64/os/repodata/repomd.xml%00",
    "BaseOS/x86_64/os/repodata/repomd.xml%00.rpm",
    "%00",
    "BaseOS\\..\\..\\x",
    "BaseOS/x86_64/os/repodata/repomd.xml/",
    "BaseOS/x86_64/os/repodata/repomd.xml/.",
    "BaseOS/x86_64/os/repodata/repomd.xml/..",
    "BaseOS/x86_64/os/repodata/repomd.xml/x",
    "BaseOS/%0d%0aX: y",
    "a" * 201,
    "a/" * 3000 + "a",
    "%ff%fe",
    "~root",
]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("prefix", ["/almalinux/9.2/{token}/", "/cve/", "/tuxcare/9.2/base/"])
def test_tricks_reach_nothing(service, tokens, prefix, trick):
    status, answer = service.raw_get(prefix.format(token=tokens["esu"]) + trick)
    assert status in (403, 404, 400)
    assert b"root:" not in answer
    assert b"repomd" not in answer.split(b"\r\n\r\n", 1)[1]


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "//etc/passwd",
        "/cve/../almalinux/9.2/" + REPOMD,
        "/cve/%2e%2e/almalinux/9.2/" + REPOMD,
        "/tuxcare/9.2/base/../esu/x86_64/repodata/repomd.xml",
        "/tuxcare/9.2/base/%2e%2e/esu/x86_64/repodata/repomd.xml",
        "/tuxcare/9.2/base/..%2fesu/x86_64/repodata/repomd.xml",
        "//almalinux/9.2/" + REPOMD,
        "/almalinux//9.2/" + REPOMD,
        "/almalinux/9.2/" + REPOMD + "?/cve/x",
        "/almalinux/9.2/RPM-GPG-KEY-x/../" + REPOMD,
        "http://other/almalinux/9.2/" + REPOMD,
        "*",
        "almalinux/9.2/" + REPOMD,
    ],
)
def test_tricks_do_not_turn_closed_into_open(service, path):
    status, answer = service.raw_get(path)
    assert status in (400, 403, 404)
    assert b"<repomd/>" not in answer
    assert b"root:" not in answer


def test_links_inside_are_followed_and_links_that_lead_out_are_not(operator, service, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    generation = (operator.public / "vetted").resolve()
    tracker = generation / "cve"
    (tracker / "inside").symlink_to("index.html")
    (tracker / "folder").symlink_to("../cve")
    (tracker / "absolute").symlink_to(secret)
    (tracker / "relative").symlink_to(os.path.relpath(secret, tracker))
    (tracker / "out").symlink_to(tmp_path)
    (tracker / "state").symlink_to(operator.state)
    (tracker / "loop").symlink_to("loop")
    (tracker / "dangling").symlink_to("nothing")
    (tracker / "public").symlink_to("../../..")
    os.mkfifo(tracker / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tracker / "socket"))
    assert service.get("/cve/inside").content == b"<html/>"
    assert service.get("/cve/folder/index.html").content == b"<html/>"
    closed = ("absolute", "relative", "out/secret", "state/pepper", "loop", "loop/x", "dangling")
    for name in (*closed, "public", "public/x", "pipe", "socket"):
        assert service.get(f"/cve/{name}").status_code == 404, name


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_content_is_read_only(service, tokens, method):
    answer = requests.request(method, service.url + package_url(tokens), data=b"x", timeout=10)
    assert answer.status_code == 405
    if method != "PROPFIND":
        assert answer.headers["Allow"] == "GET, HEAD"


def test_many_downloads_at_once_are_all_whole(service, tokens):
    digest = hashlib.sha256(CONTENT[f"almalinux/9.2/{PACKAGE}"]).hexdigest()

    def download(_number):
        with requests.Session() as session:
            answers = [
                session.get(service.url + package_url(tokens), timeout=30) for _ in range(10)
            ]
        return {hashlib.sha256(answer.content).hexdigest() for answer in answers}

    with ThreadPoolExecutor(16) as pool:
        assert set().union(*pool.map(download, range(32))) == {digest}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("almalinux/9.2/BaseOS/x86_64/mirrorlist", 200),
        ("almalinux/9.2/BaseOS/aarch64/mirrorlist", 404),
        ("almalinux/9.2/mirrorlist", 404),
        ("almalinux/9.2/BaseOS/x86_64/os/mirrorlist", 200),
        ("almalinux/7.7/BaseOS/x86_64/mirrorlist", 404),
        ("tuxcare/9.2/esu/x86_64/mirrorlist", 200),
        ("tuxcare/9.2/fips/x86_64/mirrorlist", 403),
        ("tuxcare/9.2/base/x86_64/mirrorlist", 200),
        (f"almalinux/9.2/.generation-1/{REPOMD}", 200),
        (f"almalinux/9.2/.generation-2/{REPOMD}", 404),  # another channel's
        (f"almalinux/9.2/.generation-3/{REPOMD}", 404),
        ("tuxcare/9.2/.generation-1/fips/x86_64/repodata/repomd.xml", 403),
    ],
)
def test_mirror_lists_and_generations_are_gated_like_what_they_name(service, tokens, path, status):
    assert service.get(with_token(path, tokens["esu"])).status_code == status
    if "/base/" not in path:
        assert service.get("/" + path).status_code == 403


def test_a_mirror_list_names_no_host_that_is_none(service):
    path = b"GET /tuxcare/9.2/base/x86_64/mirrorlist HTTP/1.1\r\nConnection: close\r\nHost: "
    for host in (b"a/b", b"a b", b"a@b", b"evil\texample", b""):
        status, answer = service.raw(path + host + b"\r\n\r\n")
        assert status == 400, answer
