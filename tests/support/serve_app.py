"""The web application in this process, with all that it stands on.

with application(tmp_path) as site:
    token = register(site, licence(site))
    site.clock.now += 60
    assert status(site, token) == 200
"""

import contextlib
from types import SimpleNamespace

from tuxmirror.adapters.http_app import Surroundings, create_app
from tuxmirror.adapters.http_content import FolderContent
from tuxmirror.adapters.http_files import PublishedFiles
from tuxmirror.adapters.http_metrics import Metrics
from tuxmirror.adapters.registry_db import DatabaseRegistry
from tuxmirror.adapters.state_files import AuditFile, load_pepper, private_directory
from tuxmirror.core.credentials import Digests
from tuxmirror.core.errors import StorageError
from tuxmirror.core.licence import HostFacts, Terms
from tuxmirror.core.limits import Limit
from tuxmirror.usecases import licences
from tuxmirror.usecases.admission import Admission, Limits
from tuxmirror.usecases.registration import Registration

NOW = 1_800_000_000
REGISTER = "/cln/api/els/token/register"


# Wide enough for whatever is not about limits.
LIMITS = Limits(*[Limit(10_000, 10_000)] * 4)


class Clock:
    now = float(NOW)

    def __call__(self):
        return self.now


@contextlib.contextmanager
def application(tmp_path):
    """An application with all that it stands on; `lines` is its log."""
    state = private_directory(tmp_path / "state")
    channel = tmp_path / "public" / "vetted" / "almalinux" / "9.2"
    channel.mkdir(parents=True)
    (channel / "TIME").write_bytes(b"1")
    digests = Digests(load_pepper(state))
    registry = DatabaseRegistry.open(f"sqlite:///{state / 'registry.sqlite'}", digests.check())
    clock, lines = Clock(), []
    audit = AuditFile(state / "audit.log", "test", clock)
    registration = Registration(registry, digests, audit, clock, clock)
    admission = Admission(registration, LIMITS, clock)
    files = PublishedFiles(FolderContent(tmp_path / "public"), [], admission.grant)
    around = Surroundings(metrics=Metrics(registry, clock))
    app = create_app(admission, files, lines.append, around)
    yield SimpleNamespace(
        state=state,
        registry=registry,
        digests=digests,
        audit=audit,
        clock=clock,
        registration=registration,
        lines=lines,
        app=app,
        client=app.test_client(),
    )
    registry.close()


def licence(site, **terms):
    terms = Terms(("esu",), **terms)
    return licences.create(site.registry, site.digests, site.audit, terms, NOW)[0]


def register(site, key, machine=None, name="web1"):
    return site.registration.register(key, HostFacts(name, machine), "-").token


def status(site, token):
    return site.client.get(f"/almalinux/9.2/{token}/TIME").status_code


def ask(client, key, remote="192.0.2.1", call=REGISTER):
    headers = {"X-Forwarded-For": remote}
    return client.post(call, json={"key": key, "host_name": "web1"}, headers=headers)


def broken(mocker, site, message="database is locked"):
    failure = StorageError(message)
    for name in ("reading", "writing"):
        mocker.patch.object(site.registry, name, side_effect=failure)
