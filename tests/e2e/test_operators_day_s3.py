"""An operator's day again, word for word, with his store and what he serves in a bucket: policies,
plans, holds, rollback, damage and repair, pruning, bundles, and advisories in every format."""

import functools

import pytest
import requests

from tests.e2e import test_operators_day as original
from tests.e2e.test_first_light_s3 import again
from tests.support.s3 import surroundings
from tests.support.storage import Place

day = original.day
test_an_operators_day = again(original.test_an_operators_day, pytest.mark.full)


@pytest.fixture(params=["moto", "ceph"])
def operator(request, operator):
    """The same operator; two lines of his configuration are others."""
    service = request.getfixturevalue(request.param)
    with surroundings(service.environment):
        operator.place = Place("s3", operator.root, service)
        bucket = operator.place.bucket
        operator.main["local"] = operator.store
        operator.main["store"] = f"s3://{bucket}/store"
        operator.main["public"] = f"s3://{bucket}/public"
        operator.sync = functools.partial(operator.sync, timeout=300)
        yield operator


@pytest.mark.full
def test_advisories_in_every_format_come_from_the_bucket(operator, serving, standard_upstream):
    site = operator
    site.trees[original.ALMA]["feeds"] = "yes"
    assert site.sync().status == 0
    before = formats(site)
    assert {name.rpartition(".")[2] for name in before} >= {"xml", "json", "csv", "html"}
    standard_upstream.advance()
    assert site.sync().status == 0
    after = formats(site)
    changed = {name for name in before if after.get(name, before[name]) != before[name]}
    assert any("oval" in name for name in changed), changed
    for name in sorted(after)[:3]:
        answer = requests.get(f"{serving.url}/{name}", timeout=60)
        assert answer.status_code == 200, (name, answer)
        assert answer.content
    done = site.run("advisory", "list", "--json", timeout=300)
    assert done.status == 0, done
    assert "ALSA-2023:5763" in done.stdout
    # The tree and what is said of it are one switch: taken back together.
    assert site.run("rollback", original.ALMA, timeout=300).status == 0
    assert {name: after[name] for name in changed} != {
        name: formats(site)[name] for name in changed
    }
    assert site.run("verify", timeout=300).status == 0


def formats(site):
    """What belongs to no tree, by its path."""
    view = site.place.shown("vetted")
    trees = tuple(f"{tree}/" for tree in site.trees)
    return {name: sha for name, sha in view.items() if not name.startswith(trees)}
