"""The client of the registration service, where the command's own tests do not reach."""

import pytest
import requests

from tests.integration.conftest import LICENCE
from tuxcare.errors import NetworkError, RefusedError
from tuxctl.network import Network
from tuxctl.service import Host, KeyInfo, RegistrationService, is_open_http
from tuxctl.transport import Transport

HOST = Host("web1", "a" * 32, "9.2", "x86_64")
TOKEN = "t" * 40


@pytest.fixture
def waits():
    return []


@pytest.fixture
def service(registration, waits):
    return RegistrationService(registration.url, Transport(sleep=waits.append))


def test_a_key_is_described(service):
    assert service.check_key(LICENCE) == KeyInfo(
        ["essential", "esu", "fips"], ["9.2"], "2027-12-31T23:59:59+00:00", 3
    )


def test_trouble_that_passes_is_waited_for(service, registration, waits):
    registration.answer("token/register", status=503, times=2)
    assert service.register(LICENCE, HOST).token in registration.tokens
    assert waits == [1.0, 2.0]


def test_the_service_may_say_how_long_to_wait(service, registration, waits):
    registration.answer("token/register", status=429, headers={"Retry-After": "7"}, times=1)
    registration.answer("token/register", status=429, headers={"Retry-After": "900"}, times=1)
    service.register(LICENCE, HOST)
    assert waits == [7.0, 20.0]


def test_trouble_that_stays_ends_after_three_attempts(service, registration):
    registration.answer("key/check", status=502)
    with pytest.raises(NetworkError, match="HTTP 502"):
        service.check_key(LICENCE)
    assert len(registration.called("key/check")) == 3


class Cut(requests.adapters.BaseAdapter):
    """A connection that breaks after the request was sent, some times."""

    def __init__(self, times):
        super().__init__()
        self.times = times
        self.sent = 0
        self._real = requests.adapters.HTTPAdapter()

    def send(self, request, **options):
        self.sent += 1
        if self.sent <= self.times:
            raise requests.exceptions.ConnectionError("cut")
        return self._real.send(request, **options)

    def close(self):
        self._real.close()


def patient(adapter, network=None):
    session = Network.session()
    session.mount("http://", adapter)
    return Transport(network, session, lambda _: None)


def test_a_lost_answer_is_asked_for_again_where_that_takes_no_second_seat(registration):
    adapter = Cut(1)
    service = RegistrationService(registration.url, patient(adapter))
    assert service.register(LICENCE, HOST).token
    assert adapter.sent == 2


def test_without_machine_id_a_lost_answer_is_not_asked_for_again(registration):
    adapter = Cut(1)
    service = RegistrationService(registration.url, patient(adapter))
    with pytest.raises(NetworkError, match="cannot be reached: cut"):
        service.register(LICENCE, HOST._replace(machine_id=None))
    assert adapter.sent == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.exceptions.SSLError("self-signed certificate"), r"TLS failed .*: self-signed"),
        (requests.exceptions.ReadTimeout("x"), "no answer in time"),
        (requests.exceptions.ConnectTimeout("x"), "no answer in time"),
        (
            requests.exceptions.ProxyError("x"),
            r"the proxy proxy.example:3128 \(from http_proxy\) did not pass",
        ),
    ],
)
def test_the_networks_troubles_are_told_apart(registration, monkeypatch, error, message):
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)

    class Broken(Cut):
        def send(self, request, **options):
            raise error

    service = RegistrationService("http://service.example", patient(Broken(0)))
    with pytest.raises(NetworkError, match=message) as caught:
        service.check_key(LICENCE)
    assert "secret" not in caught.value.message
    assert LICENCE not in repr(caught.value)
    # What Python would print below "During handling": it could hold the request.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_token_travels_in_a_header_whatever_netrc_says(
    service, registration, tmp_path, monkeypatch
):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login u password p\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    token = service.register(LICENCE, HOST).token
    assert service.unregister(token)
    assert registration.calls[-1][3]["Authorization"] == "Bearer " + token
    assert "Authorization" not in registration.calls[-2][3]
    assert not service.unregister(token)


def test_a_refusal_names_the_service(service, registration):
    with pytest.raises(RefusedError, match=registration.url) as caught:
        service.check_key("ESU-" + "Q" * 24)
    assert caught.value.exit_status == 5


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("http://127.0.0.1:8080", False),
        ("http://localhost", False),
        ("https://x.example", False),
        ("http://x.example", True),
        ("http://127.0.0.1.x.example", True),
    ],
)
def test_plain_http_to_another_machine_is_noticed(url, is_open):
    assert is_open_http(url) is is_open
