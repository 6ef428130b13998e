"""`plan --html`: one page that says what the plan says; nothing that upstream wrote acts in it."""

from html.parser import HTMLParser

import pytest

from tests.support.mirror import TREE
from tuxmirror.adapters import plan_page

pytest_plugins = ("tests.support.vetting_fixtures",)


class Page(HTMLParser):
    """Its tags with their attributes, and its text."""

    def __init__(self, data):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(data.decode())
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if data.endswith("\n") else f"{data} "


def entry(nevra):
    return {"nevra": nevra, "repository": "BaseOS/x86_64", "size": 2048, "sha256": "0" * 64}


def plan(**changes):
    evil = "<script>alert(1)</script>"
    difference = {
        "added": [entry("curl-7.76.1-23.el9_2.4.x86_64")],
        "removed": [entry("curl-7.76.1-23.el9_2.1.x86_64")],
        "changed": [],
        "advisories_added": [
            {"id": "ALSA-2023:2", "severity": "Low", "cves": [], "title": evil},
            {"id": "ALSA-2023:1", "severity": "Critical", "cves": ["CVE-2023-1"], "title": "&"},
        ],
        "advisories_removed": [],
        "bytes_added": 2048,
        "bytes_removed": 1024,
        "severities": {"Critical": 1, "Low": 1},
        "cves": ["CVE-2023-1"],
    }
    note = {"nevra": "vim-8-1.x86_64", "build": "vim-8-1.src.rpm", "reason": evil, "until": 1}
    return {
        "plan": "5b0d2f6c1a9e4d37",
        "made": 1_700_000_000,
        "tree": TREE,
        "channel": "vetted",
        "source": "b" * 16,
        "shown": "a" * 16,
        "policy": "default",
        "difference": difference,
        "held": [note, {**note, "nevra": "vim-common-8-1.x86_64"}],
        "pulled_in": [],
        "kept": [],
        "filtered": {"source packages": 7},
        "affected": {"hosts": 3, "releases": {"9.2": 3}},
        **changes,
    }


def test_one_file_without_scripts_or_anything_from_elsewhere():
    page = Page(plan_page.render(plan(), "tuxmirror"))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "link", "iframe", "a", "form", "object"}
    for _, attributes in page.tags:
        assert not set(attributes) & {"src", "href", "style", "onclick"}, attributes
    # What somebody wrote into a title is text.
    assert page.text.count("<script>alert(1)</script>") == 2


def test_it_says_what_the_plan_says():
    page = Page(plan_page.render(plan(), "tuxmirror 1.0"))
    words = " ".join(page.text.split())
    for said in (
        "What vetted will show of almalinux/9.2",
        "packages added (2.0 kB)",
        "curl-7.76.1-23.el9_2.4.x86_64",
        "3 registered: 3 on 9.2",
        "by policy default",
        "7 packages: source packages",
        "tuxmirror approve 5b0d2f6c1a9e4d37",
        "Approved by",
    ):
        assert said in words, (said, words)
    assert words.index("ALSA-2023:1") < words.index("ALSA-2023:2"), "the gravest first"
    assert words.count("vim-8-1") == 1, "packages of one build are one line"


def test_a_plan_that_changes_nothing_asks_for_no_approval():
    nothing = dict.fromkeys(plan()["difference"], ())
    change = {**nothing, "bytes_added": 0, "bytes_removed": 0, "severities": {}}
    page = Page(
        plan_page.render(plan(difference=change, shown=None, policy="", held=[]), "tuxmirror")
    )
    assert "Nothing changes for vetted" in page.text
    assert "approve" not in page.text.replace("approved", "")


@pytest.mark.parametrize("place", ["plan.html", "nowhere/plan.html"])
def test_the_command_writes_it(moved, tmp_path, place):
    file = tmp_path / place
    if "nowhere" in place:
        assert "nowhere" in moved.call("plan", TREE, "--html", str(file), status=6).stderr
        return
    text = moved.call("plan", TREE, "--html", str(file)).stdout
    page = Page(file.read_bytes())
    plan_id = text.splitlines()[0].split()[-1]
    assert f"tuxmirror approve {plan_id}" in page.text or "Nothing changes" in page.text
    assert "vim-8.2.2637-20.el9_2.1" in page.text
