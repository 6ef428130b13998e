"""Fixtures of the client's tests; they run on Python 3.6 too."""

import os

import pytest

from tests.support.client_root import ClientRoot, StandInKey, Tuxctl
from tests.support.registration import RegistrationServer

LICENCE = "ESU-23456789ABCDEFGHJKMNPQRS"


@pytest.fixture(scope="session")
def stand_in_key(tmp_path_factory):
    """The key that takes the place of TuxCare's own."""
    return StandInKey(tmp_path_factory.mktemp("stand-in"))


@pytest.fixture
def registration():
    """A registration service that knows one licence for everything; it offers tuxcare-base."""
    with RegistrationServer() as server:
        server.keys[LICENCE] = {
            "products": ["essential", "esu", "fips"],
            "releases": ["9.2"],
            "expires": "2027-12-31T23:59:59+00:00",
            "hosts_left": 3,
        }
        server.repositories.update(["/tuxcare/", "/almalinux/9.2/", "/almalinux/9.4/"])
        server.repositories.add("/almalinux/9.6/")
        yield server


@pytest.fixture(scope="session")
def pinlab(tmp_path_factory, keys):
    """Repositories and installed roots for the DNF plugin (tests.support.pinlab)."""
    from tests.support.pinlab import PinLab  # needs the distribution's bindings

    with PinLab(tmp_path_factory.mktemp("pinlab"), keys) as lab:
        yield lab


@pytest.fixture
def client_root(tmp_path, stand_in_key):
    """The root directory of an AlmaLinux 9.2 host that has the package and is not registered."""
    return ClientRoot(tmp_path / "root", stand_in_key)


@pytest.fixture
def tuxctl(client_root, tmp_path, monkeypatch):
    """Runs tuxctl on that root: `tuxctl("status", "--json")` gives status, out and err."""
    home = tmp_path / "home"
    home.mkdir()
    # Debian keeps root's rpm database in the home directory.
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    monkeypatch.setenv("HOME", str(home))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return Tuxctl(client_root)


@pytest.fixture
def register(tuxctl, registration):
    """Registers with the good licence and what else is given."""

    def run(*arguments, key=LICENCE):
        return tuxctl("--server", registration.url, "--license-key", key, *arguments)

    return run


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch):
    """For hundreds of runs; what a power cut does to a disk is not told by them."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
