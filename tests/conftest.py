"""Fixtures for all tests; what they are made of is in tests/support.

Imports of tests.support's modules stand in the fixtures, because Python 3.6 and 3.9 run the pure
tests under this file too, without the distribution's bindings.
"""

import shlex
import sys
from contextlib import suppress

import pytest

from tests.support import requires
from tests.support.policy import RunPolicy


def pytest_addoption(parser):
    parser.addoption("--report", metavar="FILE", help="keep what was tested, in Markdown")
    parser.addoption("--report-as", metavar="ARGUMENTS", default="", help="what names its section")


def pytest_configure(config):
    config.pluginmanager.register(RunPolicy(config), "run-policy")
    with suppress(ImportError):
        from hypothesis import settings

        # How long an example takes says more of the machine than of the code.
        settings.register_profile("untimed", deadline=None)
        settings.load_profile("untimed")
    report = config.getoption("report")
    if report and not hasattr(config, "workerinput"):
        from pathlib import Path

        from tests.support.report import FullReport

        arguments = shlex.split(config.getoption("report_as"))
        config.pluginmanager.register(FullReport(Path(report), arguments), "full-report")


def pytest_collection_modifyitems(items):
    for item in items:
        if {"host", "make_host"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.host)


def pytest_runtest_setup(item):
    if item.get_closest_marker("host"):
        requires("root")
    if item.get_closest_marker("shared_data"):
        requires("shared_data")


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Keys by role: almalinux, tuxcare, operator, stranger; each is made when first used."""
    from tests.support.keys import Keys

    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def standard_tree_master(tmp_path_factory, keys):
    from tests.support.upstream import standard_tree

    return standard_tree(tmp_path_factory.mktemp("standard") / "upstream", keys.almalinux)


@pytest.fixture
def standard_upstream(standard_tree_master, tmp_path):
    """A StandardTree of the test's own, in state 1, at `<tmp_path>/upstream`."""
    return standard_tree_master.copy(tmp_path / "upstream")


@pytest.fixture(scope="session")
def tiny_tree_master(tmp_path_factory, keys):
    from tests.support.upstream import tiny_tree

    return tiny_tree(tmp_path_factory.mktemp("tiny") / "upstream", keys.almalinux)


@pytest.fixture
def tiny_upstream(tiny_tree_master, tmp_path):
    """An UpstreamTree of the test's own with three packages, at `<tmp_path>/tiny`."""
    return tiny_tree_master.copy(tmp_path / "tiny")


@pytest.fixture(scope="session")
def tuxcare_rpms_master(tmp_path_factory, keys):
    from tests.support.upstream import tuxcare_packages

    directory = tmp_path_factory.mktemp("tuxcare-rpms")
    tuxcare_packages(directory, keys.tuxcare)
    return directory


@pytest.fixture
def tuxcare_rpms(tuxcare_rpms_master, tmp_path):
    """A folder of the test's own with `esu/x86_64/*.rpm` and `fips/x86_64/*.rpm`, no repodata."""
    from tests.support.tree import copy_linked

    return copy_linked(tuxcare_rpms_master, tmp_path / "tuxcare-rpms")


@pytest.fixture
def httpd():
    """Starts servers: `httpd(folder)` gives a running Httpd; all stop after the test."""
    from contextlib import ExitStack

    from tests.support.httpd import Httpd

    with ExitStack() as stack:
        yield lambda root: stack.enter_context(Httpd(root))


@pytest.fixture
def make_host():
    """Starts hosts: `make_host(release="8.10", network="own")`; all end after the test."""
    from contextlib import ExitStack

    from tests.support.host import Host

    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(Host(*args, **kwargs))


@pytest.fixture
def host(make_host):
    """A throwaway AlmaLinux 9.2 host, x86_64, on this machine's network."""
    return make_host()


@pytest.fixture(scope="session")
def postgresql():
    """A running throwaway PostgreSQL server; its `database()` gives empty ones."""
    from tests.support.postgresql import PostgreSQL

    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def programs():
    """Runs `tuxmirror` with its imports done before, for every `MirrorSite` without a runner of its
    own. The pure tests of Python 3.6 and 3.9 run no programs."""
    if sys.version_info < (3, 10):
        yield None
        return
    from tests.support import mirror
    from tests.support.forked import Forked

    with Forked() as forked:
        mirror.usual_runner = forked.run
        yield forked
    mirror.usual_runner = mirror.run


@pytest.fixture(scope="session")
def moto():
    """A double of S3; its `bucket()` gives empty ones."""
    from tests.support.s3 import Moto

    with Moto() as service:
        yield service


@pytest.fixture(scope="session")
def ceph():
    """A real S3 service, from ./dev test --full."""
    from tests.support.s3 import Ceph

    requires("ceph")
    with Ceph() as service:
        yield service


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.full)])
def s3_service(request):
    """Each of the two in turn; this process's surroundings name it."""
    from tests.support.s3 import surroundings

    service = request.getfixturevalue(request.param)
    with surroundings(service.environment):
        yield service


@pytest.fixture
def shared_data():
    """The folder of packages made by others; the test is skipped where there is none."""
    return requires("shared_data")
