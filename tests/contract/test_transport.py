"""What every transport promises (ports.Transport), shown on libcurl's.

Faults of single requests are tried in tests/integration/test_sync_transport.py.
"""

import hashlib
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tuxmirror.adapters.curl import CurlTransport
from tuxmirror.adapters.curl_jobs import Limits
from tuxmirror.core.errors import DigestError, MetadataError, NetworkError
from tuxmirror.ports import Document, DocumentRequest, Download, Validators

IMPATIENT = Limits(connect=2, stall=1, min_rate=1000, attempts=2, backoff=0.01)


@pytest.fixture
def server(tmp_path, httpd):
    folder = tmp_path / "www"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}+a~b^c.rpm").write_bytes(random.Random(number).randbytes(number * 997))
    return httpd(folder)


@pytest.fixture
def transport(server):
    return CurlTransport([server.url], 4, IMPATIENT)


@pytest.fixture
def incoming(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def download(server, number, *urls):
    data = (server.root / f"{number}+a~b^c.rpm").read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    place = urls or [f"{server.url}/{number}+a~b^c.rpm"]
    return Download(place, sha, len(data), "BaseOS/x86_64", f"Packages/{number}.rpm")


def fetch(transport, downloads, incoming):
    return {done.path: path for done, path in transport.files(downloads, incoming)}


def test_documents_come_in_the_order_asked_for(transport, server):
    numbers = [7, 3, 40, 0]
    urls = [f"{server.url}/{number}+a~b^c.rpm" for number in numbers]
    answers = transport.documents([DocumentRequest(url, 1 << 20) for url in urls])
    assert [answer.url for answer in answers] == urls
    assert [len(answer.data) for answer in answers] == [number * 997 for number in numbers]


def test_document_is_not_sent_again_while_it_is_the_same(transport, server):
    url = f"{server.url}/5+a~b^c.rpm"
    [first] = transport.documents([DocumentRequest(url, 1 << 20)])
    assert isinstance(first, Document)
    [again] = transport.documents([DocumentRequest(url, 1 << 20, first.validators)])
    assert (again.status, again.data, again.validators) == (304, None, first.validators)
    [other] = transport.documents([DocumentRequest(url, 1 << 20, Validators('"x"'))])
    assert other.status == 200


def test_each_document_fails_on_its_own(transport, server):
    urls = [f"{server.url}/none", f"{server.url}/9+a~b^c.rpm", f"{server.url}/1+a~b^c.rpm"]
    requests = [DocumentRequest(url, 5000) for url in urls]
    missing, large, good = transport.documents(requests)
    assert isinstance(missing, NetworkError)
    assert isinstance(large, MetadataError)
    assert len(good.data) == 997
    assert {failure.url for failure in transport.failures} == set(urls[:2])


def test_no_document_waits_for_the_answer_to_another():
    """Nor to learn whether their connection can be shared: that is a round trip lost."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as apart:
        url = "http://{}:{}".format(*listening.getsockname())
        requests = [DocumentRequest(f"{url}/{name}", 10) for name in ("a", "b")]
        answers = apart.submit(CurlTransport([url], 4, IMPATIENT).documents, requests)
        listening.settimeout(10)
        connections = [listening.accept()[0] for _ in requests]
        for connection in connections:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert [answer.data for answer in answers.result()] == [b"ok", b"ok"]
        for connection in connections:
            connection.close()


def test_no_document_is_no_request(transport, server):
    assert transport.documents([]) == []
    assert server.requests == []


def test_files_arrive_whole(transport, server, incoming):
    wanted = [download(server, number) for number in range(50)]
    arrived = fetch(transport, wanted, incoming)
    assert len(arrived) == 50
    for number in range(50):
        path = arrived[f"Packages/{number}.rpm"]
        assert path.read_bytes() == (server.root / f"{number}+a~b^c.rpm").read_bytes()
        assert path.parent == incoming


def test_progress_counts_every_byte_once(transport, server, incoming):
    server.fault("/40*", "cut", after=10_000, times=1)
    counted = []
    list(transport.files([download(server, n) for n in (40, 41)], incoming, counted.append))
    assert sum(counted) == (40 + 41) * 997


def test_downloads_are_drawn_as_they_are_needed(transport, server, incoming):
    drawn = []

    def endless():
        for number in range(50):
            drawn.append(number)
            yield download(server, number + 0)

    files = transport.files(endless(), incoming)
    next(files)
    assert len(drawn) < 50
    files.close()


def test_next_mirror_is_asked_where_one_fails(transport, server, incoming):
    urls = [f"{server.url}/none.rpm", f"{server.url}/3+a~b^c.rpm"]
    assert fetch(transport, [download(server, 3, *urls)], incoming)
    [failure] = transport.failures
    assert failure == (urls[0], "HTTP status 404")


def test_file_that_nobody_has(transport, server, incoming):
    urls = [f"{server.url}/none.rpm", f"{server.url}/nor-here.rpm"]
    with pytest.raises(NetworkError) as caught:
        fetch(transport, [download(server, 3, *urls)], incoming)
    assert (caught.value.repository, caught.value.path) == ("BaseOS/x86_64", "Packages/3.rpm")
    assert all(url in caught.value.found for url in urls)


def test_file_that_is_another_everywhere(transport, server, incoming):
    wrong = download(server, 3, f"{server.url}/4+a~b^c.rpm")
    with pytest.raises(DigestError) as caught:
        fetch(transport, [wrong], incoming)
    assert wrong.sha256 in caught.value.expected
    assert not (incoming / f"{wrong.sha256}.part").exists()


def test_transport_goes_on_after_a_failure(transport, server, incoming):
    with pytest.raises(NetworkError):
        fetch(transport, [download(server, 3, f"{server.url}/none")], incoming)
    assert fetch(transport, [download(server, 3)], incoming)


def test_symlink_in_place_of_a_partial_file_is_not_followed(transport, server, incoming, tmp_path):
    wanted = download(server, 3)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (incoming / f"{wanted.sha256}.part").symlink_to(victim)
    with pytest.raises(Exception, match="symbolic links"):
        fetch(transport, [wanted], incoming)
    assert victim.read_bytes() == b"precious"


def test_empty_file(transport, server, incoming):
    arrived = fetch(transport, [download(server, 0)], incoming)
    assert arrived["Packages/0.rpm"].read_bytes() == b""


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"])
def test_other_protocols_are_not_spoken(transport, url):
    [answer] = transport.documents([DocumentRequest(url, 1 << 20)])
    assert isinstance(answer, NetworkError)


def test_redirect_only_to_those_who_were_allowed(transport, server, httpd, tmp_path):
    elsewhere = httpd(server.root)
    server.fault("/1*", "redirect", to=f"{elsewhere.url}/2+a~b^c.rpm")
    request = DocumentRequest(f"{server.url}/1+a~b^c.rpm", 1 << 20)
    [refused] = transport.documents([request])
    assert isinstance(refused, NetworkError)
    assert elsewhere.requests == []
    transport.allow(elsewhere.url)
    [answer] = transport.documents([request])
    assert len(answer.data) == 2 * 997


@pytest.mark.parametrize("left", [b"", b"half", b"whole", b"wrong", b"longer"])
def test_a_file_whose_size_nobody_says(transport, server, incoming, left):
    """Whatever an earlier run left: its digest decides."""
    wanted = download(server, 30)._replace(size=None)
    data = (server.root / "30+a~b^c.rpm").read_bytes()
    before = {
        b"half": data[: len(data) // 2],
        b"whole": data,
        b"wrong": bytes(len(data) // 2),
        b"longer": data + b"more",
    }
    if left:
        (incoming / f"{wanted.sha256}.part").write_bytes(before[left])
    [path] = fetch(transport, [wanted], incoming).values()
    assert path.read_bytes() == data
    if left == b"whole":
        [request] = server.requests
        ranges = {k.lower(): v for k, v in request.headers.items()}["range"]
        assert ranges == f"bytes={len(data) - 1}-", "it is not fetched again"


def test_other_bytes_of_no_known_size_are_refused(transport, server, incoming):
    wanted = download(server, 30)._replace(size=None, sha256="0" * 64)
    with pytest.raises(DigestError) as caught:
        fetch(transport, [wanted], incoming)
    assert "sha256 " + "0" * 64 in str(caught.value.expected)
