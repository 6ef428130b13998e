"""Bundles and advisories once more, with store and public tree of both sites in a bucket: the tests
of folders, word for word, as far as they only look at what is shown."""

import subprocess

import pytest

from tests.e2e.test_first_light_s3 import again
from tests.integration import test_advisories as advisories
from tests.integration import test_bundles as bundles
from tests.integration import test_tracker as tracker
from tests.integration.test_advisories import OVAL_ESU, make_site, shown
from tests.support.bucket_site import BucketSite
from tests.support.dask import wait_until
from tests.support.mirror import TREE
from tests.support.s3 import surroundings

pytestmark = pytest.mark.full
pytest_plugins = ("tests.support.mirror_fixtures", "tests.support.bundle_fixtures")

AGAIN = (
    bundles.test_the_other_site_shows_the_same_snapshots,
    bundles.test_since_a_snapshot_it_is_small_and_needs_that_one,
    bundles.test_what_is_altered_or_missing_changes_nothing,
    bundles.test_a_strangers_signature_does_not_count,
    bundles.test_packages_are_verified_by_this_sites_keys,
    bundles.test_the_directory_of_this_site_does_not_replace_what_was_imported,
    bundles.test_our_own_packages_signed_by_somebody_else_are_refused,
    bundles.test_a_dry_run_and_a_run_without_publishing,
    bundles.test_new_packages_of_our_own_arrive_too,
    advisories.test_csaf_is_signed_once_where_the_operator_wants_it,
    advisories.test_upstreams_gap_is_counted_and_ours_is_refused,
    advisories.test_new_advisories_alone_are_published_and_old_ones_keep_their_date,
    advisories.test_nothing_changed_changes_nothing_and_new_data_alone_changes_formats,
    advisories.test_a_rollback_takes_the_formats_back_as_well,
    tracker.test_explain_says_all_that_is_known,
    tracker.test_list_filters,
    tracker.test_sla_counts_what_came_after_the_beginning,
    tracker.test_an_audit_as_of_a_day_asks_the_snapshot_of_then,
    tracker.test_every_link_of_every_page_leads_somewhere,
    tracker.test_hostile_text_stays_text,
)


def _marked(test):
    copy = again(test)
    copy.pytestmark = list(getattr(test, "pytestmark", []))
    return copy


globals().update((test.__name__, _marked(test)) for test in AGAIN)
directory = bundles.directory
root = tracker.root


@pytest.fixture(scope="module", params=["moto", "ceph"], autouse=True)
def service(request):
    service = request.getfixturevalue(request.param)
    with surroundings(service.environment):
        yield service


@pytest.fixture
def home(site, service, keys, tuxcare_rpms):
    from tests.support.bundle_fixtures import equip

    equip(site, keys, tuxcare_rpms / "esu")
    moved = BucketSite.of(site, service)
    moved.source = site.source
    assert moved.sync(TREE, "tuxcare/9.2/esu").status == 0
    return moved


@pytest.fixture
def far(far, service):
    return BucketSite.of(far, service)


@pytest.fixture
def own(tmp_path, keys, service):
    return BucketSite.of(make_site(tmp_path, keys), service)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory, keys, standard_tree_master, tuxcare_rpms_master, service):
    folder = tmp_path_factory.mktemp("tracker")
    upstream = standard_tree_master.copy(folder / "upstream")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "MirrorSite", lambda root: BucketSite(root, service=service))
        return tracker.Mirror(folder / "mirror", upstream, tuxcare_rpms_master, keys)


def test_damage_to_a_published_file_is_found_and_made_anew(own):
    assert own.sync().status == 0
    good = shown(own, OVAL_ESU)
    sha = own.view()[OVAL_ESU]
    own.place.damage(f"pool/{sha[:2]}/{sha}", good.replace(b"less than", b"more than"))
    found = own.run("verify", "--json")
    assert found.status == 4, found
    assert OVAL_ESU.rpartition("/")[2] in found.stdout
    done = own.run("verify", "--repair", "--json")
    assert done.status == 0, done
    assert own.place.kept()[f"pool/{sha[:2]}/{sha}"] == good
    assert own.run("verify").status == 0


def test_an_import_that_was_killed_goes_on(far, home, tmp_path):
    """What reached the bucket before is not put there again, and nothing of it was shown."""
    bundle = str(tmp_path / "bundle")
    assert home.run("export", TREE, "-o", bundle).status == 0
    far.write_conf()
    process = subprocess.Popen(far.command("import", bundle), env=far.environment)
    wait_until(lambda: any(name.startswith("pool/") for name in far.place.kept()))
    process.kill()
    process.wait()
    assert not far.view()
    done = far.run("import", bundle, "--json")
    assert done.status == 0, done
    assert far.packages() == home.packages()
    assert far.run("verify").status == 0
