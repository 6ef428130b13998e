"""The web application in this process: a clock to turn, a database to break, bodies to fuzz."""

import contextlib
import json
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

from tuxmirror.adapters.http_app import Surroundings, create_app
from tuxmirror.adapters.http_content import FolderContent
from tuxmirror.adapters.http_files import PublishedFiles
from tuxmirror.adapters.http_metrics import Metrics
from tuxmirror.adapters.leases import Leases
from tuxmirror.adapters.openapi import document
from tuxmirror.adapters.registry_db import DatabaseRegistry
from tuxmirror.adapters.state_files import AuditFile, load_pepper, private_directory
from tuxmirror.core.addresses import parse_networks
from tuxmirror.core.credentials import Digests
from tuxmirror.core.errors import ConfigError, StorageError
from tuxmirror.core.licence import HostFacts, Terms
from tuxmirror.core.limits import Limit
from tuxmirror.usecases import hosts, licences
from tuxmirror.usecases.admission import Admission, Limits
from tuxmirror.usecases.registration import GRANT_LIFETIME, OVERLAP, GrantCache, Registration

NOW = 1_800_000_000
REGISTER = "/cln/api/els/token/register"


# Wide enough for whatever is not about limits.
LIMITS = Limits(*[Limit(10_000, 10_000)] * 4)


class Clock:
    now = float(NOW)

    def __call__(self):
        return self.now


@pytest.fixture
def site(tmp_path):
    """An application with all that it stands on; `lines` is its log."""
    state = private_directory(tmp_path / "state")
    channel = tmp_path / "public" / "vetted" / "almalinux" / "9.2"
    channel.mkdir(parents=True)
    (channel / "TIME").write_bytes(b"1")
    digests = Digests(load_pepper(state))
    registry = DatabaseRegistry.open(f"sqlite:///{state / 'registry.sqlite'}", digests.check())
    clock, lines = Clock(), []
    audit = AuditFile(state / "audit.log", "test", clock)
    registration = Registration(registry, digests, audit, clock)
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


def test_a_revoked_licence_closes_within_the_lifetime_of_the_cache(site):
    key = licence(site)
    token = register(site, key)
    assert status(site, token) == 200
    licences.revoke(site.registry, site.digests, site.audit, key, NOW)
    site.clock.now += GRANT_LIFETIME - 0.1
    assert status(site, token) == 200
    site.clock.now += 0.1
    assert status(site, token) == 403
    assert GRANT_LIFETIME <= 30


def test_a_revoked_host_closes_within_the_lifetime_of_the_cache(site):
    token = register(site, licence(site))
    assert status(site, token) == 200
    hosts.revoke(site.registry, site.audit, "web1", NOW)
    site.clock.now += GRANT_LIFETIME
    assert status(site, token) == 403


def test_an_expired_licence_closes_on_the_second_in_spite_of_the_cache(site):
    token = register(site, licence(site, expires_at=NOW + 5))
    assert status(site, token) == 200
    site.clock.now += 5.9
    assert status(site, token) == 200
    site.clock.now += 0.1
    assert status(site, token) == 403


def test_a_retired_token_lives_ten_minutes(site):
    key = licence(site)
    old = register(site, key, "machine-1")
    new = register(site, key, "machine-1")
    assert OVERLAP == 600
    site.clock.now += OVERLAP
    assert (status(site, old), status(site, new)) == (200, 200)
    site.clock.now += 1
    assert (status(site, old), status(site, new)) == (403, 200)


def test_a_token_that_left_is_closed_at_once_though_it_was_cached(site):
    token = register(site, licence(site))
    assert status(site, token) == 200
    site.registration.unregister(token, "-")
    assert status(site, token) == 403


def test_a_retired_token_can_still_leave_and_takes_its_successor_along(site):
    key = licence(site, host_limit=1)
    old = register(site, key, "machine-1")
    new = register(site, key, "machine-1")
    site.registration.unregister(old, "-")
    assert status(site, new) == 403
    register(site, key, "machine-2", "web2")


def test_an_expired_licence_lets_a_host_leave(site):
    token = register(site, licence(site, expires_at=NOW + 5))
    site.clock.now += 100
    answer = site.client.post(
        "/cln/api/els/token/refresh", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json["error"]) == (403, "expired")
    site.registration.unregister(token, "-")
    assert hosts.every(site.registry, site.digests)[0].ended_by == "host"


def test_an_expired_key_is_told_so(site):
    key = licence(site, expires_at=NOW + 5)
    site.clock.now += 6
    for call in ("token/register", "key/check"):
        answer = site.client.post("/cln/api/els/" + call, json={"key": key, "host_name": "web1"})
        assert (answer.status_code, answer.json["error"]) == (403, "expired")
        assert "2027-01-15" in answer.json["message"]


def test_a_known_token_asks_the_database_once(site, mocker):
    token = register(site, licence(site))
    reading = mocker.spy(site.registry, "reading")
    for _ in range(50):
        assert status(site, token) == 200
    assert reading.call_count == 1


def test_guessing_fills_no_memory(site):
    for number in range(50):
        assert status(site, f"{number:043d}") == 403
    assert site.registration._grants._grants == {}


def test_a_full_cache_starts_afresh():
    cache = GrantCache(20.0, capacity=3)
    grant = SimpleNamespace(expires_at=None)
    for number in range(4):
        cache.put(str(number), grant, NOW)
    assert cache.get("3", NOW) is grant
    assert cache.get("0", NOW) is None


def broken(mocker, site, message="database is locked"):
    failure = StorageError(message)
    for name in ("reading", "writing"):
        mocker.patch.object(site.registry, name, side_effect=failure)


def test_without_a_database_nothing_is_given_away_and_cached_hosts_go_on(site, mocker):
    key = licence(site)
    cached, other = register(site, key), register(site, key)
    assert status(site, cached) == 200
    broken(mocker, site)
    assert status(site, cached) == 200
    answers = [
        site.client.get(f"/almalinux/9.2/{other}/TIME"),
        site.client.post(REGISTER, json={"key": key, "host_name": "web1"}),
        site.client.get("/readyz"),
    ]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert all(answer.headers["Retry-After"] for answer in answers)
    mocker.stopall()
    assert status(site, other) == 200


def test_on_a_full_disk_no_seat_is_taken_and_hosts_go_on(site):
    key = licence(site)
    token = register(site, key)
    pages = full_from_now_on(site.registry._engine)
    names = (f"web{number}" + "x" * 200 for number in range(200))
    answers = [site.client.post(REGISTER, json={"key": key, "host_name": n}) for n in names]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} == {503}
    assert any("full" in line for line in site.lines)
    assert status(site, token) == 200
    assert len(hosts.every(site.registry, site.digests)) == 1 + len(answers) - len(refused)
    pages.clear()
    site.registry._engine.dispose()
    assert site.client.post(REGISTER, json={"key": key, "host_name": "web1"}).status_code == 200


def full_from_now_on(engine):
    """SQLite then says what it says on a full disk. Returns the limit; empty: none."""
    limit = []

    def configure(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {limit[0] if limit else 2**30}")

    sa.event.listen(engine, "connect", configure)
    with engine.connect() as connection:
        limit.append(connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 2)
    engine.dispose()
    return limit


def test_a_registration_that_cannot_be_recorded_does_not_happen(site):
    key = licence(site, host_limit=1)
    (site.state / "audit.log").rename(site.state / "old")
    (site.state / "audit.log").mkdir()
    answer = site.client.post(REGISTER, json={"key": key, "host_name": "web1"})
    assert (answer.status_code, answer.json["error"]) == (503, "unavailable")
    assert "audit log" in "\n".join(site.lines)
    assert hosts.every(site.registry, site.digests) == []
    (site.state / "audit.log").rmdir()
    register(site, key)


def test_an_unexpected_error_shows_no_secret(site, mocker):
    key = licence(site)
    token = register(site, key)
    site.clock.now += GRANT_LIFETIME
    for name in ("reading", "writing"):
        mocker.patch.object(site.registry, name, side_effect=RuntimeError(f"{key} {token}"))
    answers = [
        site.client.get(f"/almalinux/9.2/{token}/TIME"),
        site.client.post(REGISTER, json={"key": key, "host_name": "web1"}),
    ]
    assert [answer.status_code for answer in answers] == [500, 500]
    seen = "\n".join([*site.lines, *(answer.text for answer in answers)])
    assert "RuntimeError" in seen
    assert "registration.py" in seen
    assert key not in seen
    assert token not in seen


def test_files_that_cannot_be_read_are_the_operators_trouble(site, mocker):
    token = register(site, licence(site))
    failure = PermissionError(13, "Permission denied")
    mocker.patch("tuxmirror.adapters.http_content.os.open", side_effect=failure)
    assert status(site, token) == 503
    mocker.stopall()
    assert any("Permission denied" in line for line in site.lines)


def test_the_description_names_every_route_and_no_other(site):
    described = {
        (path, method.upper()) for path, item in document()["paths"].items() for method in item
    }
    routes = {rule.rule for rule in site.app.url_map.iter_rules()} - {"/", "/<path:path>"}
    assert {path for path, _ in described} == routes
    for path, method in described:
        for tried in ("GET", "POST", "PUT", "DELETE"):
            answer = site.client.open(path, method=tried)
            assert (answer.status_code == 405) == (tried != method), (path, tried)


def resolve(schema):
    if "$ref" in schema:
        return document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def conforms(value, schema):
    """The part of JSON schema that the description uses."""
    schema = resolve(schema)
    if value is None:
        return schema.get("nullable", False)
    kind = {"string": str, "integer": int, "array": list, "object": dict}[schema["type"]]
    if not isinstance(value, kind) or ("enum" in schema and value not in schema["enum"]):
        return False
    if kind is list:
        return all(conforms(item, schema["items"]) for item in value)
    if kind is dict and "properties" in schema:
        known = schema["properties"]
        return set(schema["required"]) <= set(value) <= set(known) and all(
            conforms(value[name], known[name]) for name in value
        )
    return True


def described(path, method, answer):
    """Whether the description knows this answer."""
    responses = document()["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code)
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    return conforms(answer.json, schema)


def test_answers_are_as_described(site):
    key = licence(site, host_limit=2, expires_at=NOW + 1000)
    check = "/cln/api/els/key/check"
    answer = site.client.post(REGISTER, json={"key": key, "host_name": "web1"})
    headers = {"Authorization": f"Bearer {answer.json['token']}"}
    assert described(REGISTER, "post", answer)
    assert described(check, "post", site.client.post(check, json={"key": key}))
    assert described(check, "post", site.client.post(check, json={"key": "x"}))
    for call in ("token/refresh", "token/unregister"):
        path = "/cln/api/els/" + call
        assert described(path, "post", site.client.post(path, headers=headers))
        assert described(path, "post", site.client.post(path))
    for path in ("/healthz", "/readyz"):
        assert described(path, "get", site.client.get(path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
MEMBERS = ("key", "host_name", "machine_id", "release", "arch")
# Examples share the application; the clock of the wall is no judge on a busy machine.
SHARED = [HealthCheck.function_scoped_fixture]
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON | st.text())).map(
        lambda value: json.dumps(value).encode()
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=SHARED)
@given(BODIES)
def test_no_body_upsets_registration(site, body):
    answer = site.client.post(REGISTER, data=body, content_type="application/json")
    assert answer.status_code in (400, 401)
    assert described(REGISTER, "post", answer)


@settings(max_examples=300, deadline=None, suppress_health_check=SHARED)
@given(st.text() | st.lists(st.sampled_from(["..", ".", "", "almalinux", "9.2", "TIME", "a"])))
def test_no_path_upsets_content(site, path):
    text = path if isinstance(path, str) else "/".join(path)
    answer = site.client.get("/" + text.lstrip("/"))
    assert answer.status_code in (403, 404)


@settings(max_examples=200, deadline=None, suppress_health_check=SHARED)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255)))
def test_no_authorization_upsets_anything(site, header):
    answer = site.client.get("/almalinux/9.2/TIME", headers={"Authorization": header.strip()})
    assert answer.status_code == 403
    call = "/cln/api/els/token/refresh"
    answer = site.client.post(call, headers={"Authorization": "Bearer " + header.strip()})
    assert answer.status_code == 401


def limited(site, **limits):
    """The application with these limits in front."""
    admission = Admission(site.registration, LIMITS._replace(**limits), site.clock)
    files = PublishedFiles(FolderContent(site.state.parent / "public"), [], admission.grant)
    return create_app(admission, files, site.lines.append).test_client()


def ask(client, key, remote="192.0.2.1", call=REGISTER):
    headers = {"X-Forwarded-For": remote}
    return client.post(call, json={"key": key, "host_name": "web1"}, headers=headers)


def test_guessing_keys_shuts_out_the_address_for_a_while_and_no_other(site):
    client = limited(site, wrong_keys=Limit(3, 0.1))
    key = licence(site)
    assert [ask(client, "ESU-X").status_code for _ in range(3)] == [401] * 3
    shut_out = ask(client, key)
    assert (shut_out.status_code, shut_out.json["error"]) == (429, "too_many")
    assert shut_out.headers["Retry-After"] == "10"
    assert ask(client, key, "192.0.2.2").status_code == 200
    site.clock.now += 10
    assert ask(client, key).status_code == 200


def test_right_keys_do_not_count_as_guesses(site):
    client = limited(site, wrong_keys=Limit(2, 0.001))
    key = licence(site)
    assert {ask(client, key).status_code for _ in range(10)} == {200}


def test_who_is_shut_out_costs_no_look_up(site, mocker):
    client = limited(site, wrong_keys=Limit(1, 0.001))
    ask(client, "ESU-X")
    reading = mocker.spy(site.registry, "reading")
    assert [ask(client, f"ESU-{n}").status_code for n in range(20)] == [429] * 20
    assert reading.call_count == 0


def test_calls_are_limited_by_address(site):
    client = limited(site, calls=Limit(5, 1))
    key = licence(site)
    check = "/cln/api/els/key/check"
    statuses = [ask(client, key, call=check).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert ask(client, key, "192.0.2.2", check).status_code == 200


def test_registrations_are_limited_by_key(site):
    client = limited(site, registrations=Limit(3, 1))
    key, other = licence(site), licence(site)
    statuses = [ask(client, key, f"192.0.2.{n}").status_code for n in range(5)]
    assert statuses == [200] * 3 + [429] * 2
    assert ask(client, other).status_code == 200
    assert len(hosts.every(site.registry, site.digests)) == 4


def test_guessing_tokens_shuts_out_what_is_not_remembered(site):
    key = licence(site)
    known, unknown = register(site, key), register(site, key)
    client = limited(site, wrong_tokens=Limit(4, 0.5))

    def get(token):
        return client.get(f"/almalinux/9.2/{token}/TIME")

    assert get(known).status_code == 200
    assert [get(f"{n:043d}").status_code for n in range(4)] == [403] * 4
    shut_out = get(f"{5:043d}")
    assert (shut_out.status_code, shut_out.headers["Retry-After"]) == (429, "2")
    assert get(known).status_code == 200
    assert get(unknown).status_code == 429
    site.clock.now += 2
    assert get(unknown).status_code == 200


def metrics(site, **headers):
    answer = site.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    lines = (line.rpartition(" ") for line in answer.text.splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def test_figures_tell_what_happened_and_what_there_is(site):
    key = licence(site)
    licences.revoke(site.registry, site.digests, site.audit, licence(site), NOW)
    licence(site, expires_at=NOW + 1)
    site.clock.now += 3
    token = register(site, key)
    status(site, token)
    status(site, "x" * 43)
    ask(site.client, "ESU-X")
    found = metrics(site)
    assert found['tuxmirror_licences{state="valid"}'] == 1
    assert found['tuxmirror_licences{state="revoked"}'] == 1
    assert found['tuxmirror_licences{state="expired"}'] == 1
    assert (found["tuxmirror_hosts"], found["tuxmirror_registry_up"]) == (1, 1)
    counted = 'tuxmirror_requests_total{method="GET",route="content",status="%d"}'
    assert (found[counted % 200], found[counted % 403]) == (1, 1)
    assert found[f'tuxmirror_refused_total{{code="unknown_key",route="{REGISTER}"}}'] == 1
    assert found["tuxmirror_content_bytes_total"] == 1
    assert found['tuxmirror_request_seconds_count{route="content"}'] == 2


def test_figures_hold_nothing_that_a_client_chose(site):
    token = register(site, licence(site))
    for path in (f"/almalinux/9.2/{token}/TIME", "/chosen/by/client", "/chosen\n1"):
        site.client.get(path)
    site.client.open("/almalinux", method="CHOSEN")
    text = site.client.get("/metrics").text
    assert token not in text
    assert "chosen" not in text.lower()


def test_figures_are_for_those_who_may_see_them(site):
    assert site.client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 404
    around = Surroundings(
        metrics=Metrics(site.registry), metrics_allow=parse_networks("192.0.2.0/24")
    )
    app = create_app(site.registration, None, site.lines.append, around)
    client = app.test_client()
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200


def test_a_database_that_is_away_is_a_figure(site, mocker):
    broken(mocker, site)
    assert metrics(site)["tuxmirror_registry_up"] == 0


def authorize(site, token, path="/almalinux/9.2/BaseOS", environ=None, **headers):
    headers = {"X-Tuxmirror-Path": path, "Authorization": f"Bearer {token}", **headers}
    return site.client.get("/internal/authorize", headers=headers, environ_overrides=environ)


def test_a_web_server_in_front_is_told_the_channel_and_for_how_long(site):
    token = register(site, licence(site, channel="canary"))
    answer = authorize(site, token)
    assert (answer.status_code, answer.headers["X-Tuxmirror-Channel"]) == (200, "canary")
    assert answer.headers["Cache-Control"].startswith("max-age=5, stale-while-revalidate=5")
    assert answer.data == b""
    assert authorize(site, token, "/tuxcare/9.2/fips").status_code == 403
    denied = authorize(site, "x" * 43)
    assert (denied.status_code, denied.headers["Cache-Control"]) == (403, "max-age=5")
    for path in ("", "/", "/almalinux", "/almalinux/9.2", "/a/../b", f"/almalinux/9.2/{token}/x"):
        assert authorize(site, token, path).status_code == 403
    open_to_all = authorize(site, "x" * 43, "///", **{"X-Tuxmirror-Open": "yes"})
    assert open_to_all.headers["X-Tuxmirror-Channel"] == "vetted"


def test_only_proxies_of_ours_may_ask_for_others(site):
    token = register(site, licence(site))
    stranger = {"REMOTE_ADDR": "192.0.2.1"}
    assert authorize(site, token, environ=stranger).status_code == 404


def test_leases_lie_in_memory_or_nowhere(tmp_path):
    with pytest.raises(ConfigError, match="not on a tmpfs"):
        Leases(tmp_path / "leases", tmp_path, mounts=mounts(tmp_path, "ext4"))


def mounts(tmp_path, kind):
    file = tmp_path / f"mounts-{kind}"
    file.write_text(f"/dev/root / ext4 rw 0 0\nx {tmp_path} {kind} rw 0 0\n")
    return file


def test_a_lease_is_one_link_that_ends_by_the_clock(tmp_path):
    clock = Clock()
    folder = tmp_path / "leases"
    leases = Leases(folder, tmp_path / "public", clock, mounts(tmp_path, "tmpfs"))
    token = "t" * 43
    leases.add(token, ("almalinux", "9.2", "BaseOS"), "vetted")
    leases.add(token, ("tuxcare", "9.2", "esu"), "vetted")
    leases.add(token, ("tuxcare", "9.2", "esu"), "vetted")
    leases.add("../../etc", ("almalinux", "9.2", "BaseOS"), "vetted")
    slot = folder / str(NOW // 10)
    links = {str(p.relative_to(slot)): str(p.readlink()) for p in slot.rglob("*") if p.is_symlink()}
    assert links == {
        f"almalinux/9.2/{token}": f"{tmp_path}/public/vetted/almalinux/9.2",
        f"tuxcare/9.2/{token}/esu": f"{tmp_path}/public/vetted/tuxcare/9.2/esu",
    }
    for _ in range(4):
        clock.now += 10
        leases.add(token, ("almalinux", "9.2", "BaseOS"), "vetted")
    assert sorted(path.name for path in folder.iterdir()) == [
        str(NOW // 10 + number) for number in (3, 4)
    ]


# What schemathesis takes for a fault and is none.
NOT_CHECKED = (
    # A well-formed key that nobody has is refused, as it must be.
    "positive_data_acceptance",
    # What is no route of the API is content, where the words for a wrong method are other ones.
    "unsupported_method",
)


def test_a_tool_that_knows_the_description_alone_finds_no_fault(site, tmp_path):
    token = register(site, licence(site))
    with running(site.app) as url:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
             "--header", f"Authorization: Bearer {token}",
             "--exclude-path", "/cln/api/els/token/unregister",
             "--exclude-checks", ",".join(NOT_CHECKED),
             "--max-examples", "25", "--seed", "7", "--no-color", "--generation-database", "none"],
            capture_output=True, text=True, timeout=300, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counted = re.search(r"(\d+) generated", done.stdout)
    assert counted, done.stdout
    assert int(counted[1]) > 100
    assert not any("unexpected" in line for line in site.lines)


@contextlib.contextmanager
def running(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
