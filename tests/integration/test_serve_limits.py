"""The web application in this process: limits, figures, and what a web server in front is told."""

import pytest

from tests.support.serve_app import (
    LIMITS,
    NOW,
    REGISTER,
    application,
    ask,
    broken,
    licence,
    register,
    status,
)
from tuxmirror.adapters.http_app import Surroundings, create_app
from tuxmirror.adapters.http_content import FolderContent
from tuxmirror.adapters.http_files import PublishedFiles
from tuxmirror.adapters.http_metrics import Metrics
from tuxmirror.core.addresses import parse_networks
from tuxmirror.core.limits import Limit
from tuxmirror.usecases import hosts, licences
from tuxmirror.usecases.admission import Admission


@pytest.fixture
def site(tmp_path):
    with application(tmp_path) as found:
        yield found


def limited(site, **limits):
    """The application with these limits in front."""
    admission = Admission(site.registration, LIMITS._replace(**limits), site.clock)
    files = PublishedFiles(FolderContent(site.state.parent / "public"), [], admission.grant)
    return create_app(admission, files, site.lines.append).test_client()


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
