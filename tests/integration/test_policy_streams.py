"""A stream of a module under a policy, as dnf sees it: what is offered is listed, and installs."""

import pytest

from tests.support.rpms import RpmSpec
from tests.support.vetting import follow_vetted

pytest_plugins = ("tests.support.vetting_fixtures",)

REPO = ("AppStream", "x86_64")
DOCUMENT = """\
---
document: modulemd
version: 2
data:
  name: app
  stream: "1"
  version: {version}
  context: {context}
  arch: x86_64
  summary: app
  description: app
  license:
    module: [MIT]
  dependencies:
  - requires:
      platform: [el9]
  profiles:
    common:
      rpms: [app]
  artifacts:
    rpms:
    - elsewhere-0:1-1.i686
{artifacts}...
"""


def document(version, *specs, context="c"):
    artifacts = "".join(f"    - {s.name}-0:{s.version}-{s.release}.{s.arch}\n" for s in specs)
    return DOCUMENT.format(version=version, context=context, artifacts=artifacts)


def app(version):
    label = f"app:1:{version}:c"
    return RpmSpec("app", str(version), modularitylabel=label, requires=("app-tools",))


TOOLS = RpmSpec("app-tools", "1", modularitylabel="app:1:1:c")
FIRST = document(1, app(1), TOOLS)
# What upstream has for modulemd once it took app-1 away: versions share app-tools.
SECOND = {
    "a build that both versions have": document(2, app(2), TOOLS),
    "another context": document(2, app(2), TOOLS, context="d"),
    "the document of what is gone": FIRST + document(2, app(2), TOOLS),
}


@pytest.fixture
def stream(vetted_site, standard_upstream, keys, httpd, host):
    """Version 1 has passed, and the host has enabled the stream."""
    others = vetted_site.listed("AppStream", "modules", "candidate")

    def show(documents):
        standard_upstream.set_modules(*REPO, others + documents)
        standard_upstream.publish()

    standard_upstream.add(*REPO, [app(1), TOOLS])
    show(FIRST)
    vetted_site.later(0)
    vetted_site.later(8)
    follow_vetted(host, httpd(vetted_site.public), keys)
    host.dnf("module", "enable", "app:1")
    return show


def installs_and_goes_on(site, host, last):
    """What waits is not offered; what is, installs; after the soak it is upgraded."""
    assert {n for n in site.offered() if n.startswith("app-")} == {
        "app-1-1.el9.x86_64.rpm", "app-tools-1-1.el9.x86_64.rpm",
    }  # fmt: skip
    host.dnf("install", "app", "--refresh")
    assert {"app-1-1.el9.x86_64", "app-tools-1-1.el9.x86_64"} <= set(host.rpmdb())
    assert "app-0:1-1.el9.x86_64" in host.dnf("module", "info", "app:1").stdout
    site.later(20)
    host.dnf("upgrade", "--refresh")
    assert [n for n in host.rpmdb() if n.startswith("app-") and "tools" not in n] == [last]


@pytest.mark.full
@pytest.mark.parametrize("case", SECOND)
def test_a_version_that_upstream_took_away_is_offered_until_the_next_one_passes(
    stream, vetted_site, standard_upstream, host, case
):
    standard_upstream.remove(*REPO, "app-1-*")
    standard_upstream.add(*REPO, [app(2)])
    stream(SECOND[case])
    vetted_site.later(9)
    installs_and_goes_on(vetted_site, host, "app-2-1.el9.x86_64")


@pytest.mark.full
def test_a_document_left_of_a_version_that_never_passed_hides_nothing(
    stream, vetted_site, standard_upstream, host
):
    """dnf looks at the latest document of a stream alone."""
    standard_upstream.remove(*REPO, "app-1-*")
    standard_upstream.add(*REPO, [app(2)])
    stream(document(2, app(2), TOOLS))
    vetted_site.later(9)
    standard_upstream.remove(*REPO, "app-2-*")
    standard_upstream.add(*REPO, [app(3)])
    stream(document(2, app(2), TOOLS) + document(3, app(3), TOOLS))
    vetted_site.later(10)
    installs_and_goes_on(vetted_site, host, "app-3-1.el9.x86_64")
