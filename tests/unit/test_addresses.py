"""Whose address counts, with and without proxies."""

import pytest

from tuxmirror.core.addresses import LOOPBACK, client_address, is_in, limit_key, parse_networks

PROXIES = parse_networks("127.0.0.1, 10.0.0.0/8 ::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:127.0.0.1", "192.0.2.7", "192.0.2.7"),
        # What the client itself put in front is only its word.
        ("127.0.0.1", "203.0.113.1, 192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "203.0.113.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        # Nobody but a trusted proxy may speak for others.
        ("192.0.2.9", "203.0.113.1", "192.0.2.9"),
        ("127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy_of_ours(peer, forwarded, client):
    assert client_address(peer, forwarded, PROXIES) == client


def test_without_trusted_proxies_the_peer_is_the_client():
    assert client_address("127.0.0.1", "192.0.2.7", ()) == "127.0.0.1"


def test_loopback_is_what_it_is():
    assert is_in("127.8.9.1", LOOPBACK)
    assert is_in("::1", LOOPBACK)
    assert not is_in("192.0.2.1", LOOPBACK)
    assert not is_in("-", LOOPBACK)


def test_ipv6_counts_by_site_and_ipv4_by_address():
    assert limit_key("2001:db8:1:2:3::4") == limit_key("2001:db8:1:2:ffff::1")
    assert limit_key("2001:db8:1:2::1") != limit_key("2001:db8:1:3::1")
    assert limit_key("192.0.2.1") != limit_key("192.0.2.2")
    assert limit_key("::ffff:192.0.2.1") == limit_key("192.0.2.1")
    assert limit_key("-") == "-"


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match="IPv4"):
        parse_networks("proxy.example.com, host")
