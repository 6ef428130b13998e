"""What needs a person is said first, on the terminal and on the page."""

import re
from html.parser import HTMLParser

import pytest

from tuxmirror.cli import status as cli_status
from tuxmirror.core import health, statuspage

NOW = 1_000_000_000
HOUR = 3600
SHOWN = {"snapshot": "ab" * 8, "created": NOW - HOUR, "packages": 86, "bytes": 5, "retained": 0}


def tree(**changes):
    document = {
        "tree": "almalinux/9.2",
        "metadata_signature": "required",
        "comes_by": "sync",
        "last_sync": NOW - 60,
        "last_error": None,
        "upstream_time": NOW - HOUR,
        "max_age": 72 * HOUR,
        "candidate": SHOWN,
        "channels": {"vetted": SHOWN},
        "held": {},
        "quarantine": [],
        **changes,
    }
    found = health.findings(document, NOW)
    return {
        **document,
        "level": health.level(found),
        "findings": [finding._asdict() for finding in found],
    }


def error(status, message="it broke"):
    return {"error": "x", "message": message, "exit_status": status}


def verified(damaged=0, repaired=0):
    named = ["a.rpm: missing in the pool"] * damaged
    return {"time": NOW - HOUR, "damaged": damaged, "repaired": repaired, "named": named}


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (None, "never verified"),
        (verified(), "verified 60 min ago: all as it was"),
        (verified(0, 3), "verified 60 min ago: 3 repaired"),
        (verified(1, 3), "verified 60 min ago: damaged"),
    ],
)
def test_when_it_was_verified_last_is_a_fact(last, words):
    assert words in statuspage.facts(tree(last_verify=last), NOW)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "ok", None),
        ({"last_error": error(4)}, "trouble", "it broke"),
        ({"last_error": error(3)}, "attention", "it broke"),
        ({"last_sync": None}, "attention", "never synced"),
        ({"last_sync": NOW - 30 * HOUR}, "attention", "not synced for 30 h"),
        ({"last_sync": NOW - 30 * HOUR, "comes_by": "import"}, "ok", None),
        ({"upstream_time": NOW - 80 * HOUR}, "attention", "stands still for 3 days"),
        ({"upstream_time": NOW - 300 * HOUR}, "trouble", "stands still for 12 days"),
        ({"upstream_time": NOW - 300 * HOUR, "max_age": None}, "ok", None),
        ({"channels": {}}, "attention", "no customer"),
        ({"channels": {"vetted": error(4, "damaged")}}, "trouble", "vetted: damaged"),
        ({"held": {"vetted": [SHOWN["snapshot"]]}}, "attention", "is held"),
        ({"held": {"vetted": ["0" * 16]}}, "ok", None),
        ({"quarantine": [{"message": "m", "file": "/q"}]}, "trouble", "1 file was refused"),
        ({"last_verify": verified()}, "ok", None),
        ({"last_verify": verified(repaired=3)}, "ok", None),
        (
            {"last_verify": verified(1)},
            "trouble",
            "1 thing damaged, by the verify 60 min ago (a",
        ),
        ({"last_verify": verified(2)}, "trouble", "tuxmirror verify --repair almalinux/9.2"),
    ],
)
def test_each_state_has_its_level(changes, level, words):
    found = tree(**changes)
    assert found["level"] == level
    texts = " / ".join(finding["text"] for finding in found["findings"])
    assert words is None or words in texts
    assert bool(found["findings"]) == (level != "ok")


def test_the_worst_stands_first():
    found = tree(last_sync=NOW - 30 * HOUR, quarantine=[{"message": "m", "file": "/q"}])
    assert [finding["level"] for finding in found["findings"]] == ["trouble", "attention"]


def test_the_summary_counts():
    trees = [tree(), tree(last_error=error(4)), tree()]
    assert statuspage.summary(trees) == "3 trees: 2 well, 1 needs you"
    assert statuspage.summary([tree()]) == "1 tree: 1 well"
    assert statuspage.summary([]) == "no tree is configured"


class Strict(HTMLParser):
    """Counts what was opened and not closed."""

    VOID = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_shows_what_the_terminal_shows():
    trees = [
        tree(),
        tree(last_error=error(4, "signature of <a&b>"), channels={"vetted": None}),
        tree(quarantine=[{"path": "a.rpm", "message": "alien", "file": "/q/a.rpm"}]),
    ]
    page = statuspage.render(trees, NOW, "tuxmirror 1").decode()
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    text = " ".join(parser.text)
    for words in ("signature of <a&b>", "alien", "/q/a.rpm", "shows nothing", "86", "60 min ago"):
        assert words in text, words
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page), "it stands alone"


def test_what_came_from_outside_is_text():
    evil = '<script>alert("x")</script>'
    page = statuspage.render(
        [tree(tree=evil, last_error=error(4, evil), channels={evil: error(4, evil)})], NOW, evil
    )
    assert b"<script" not in page


def test_colours_are_for_terminals_alone():
    found = [tree(last_error=error(4))]
    plain = "\n".join(cli_status._lines(found, NOW, colours=False))
    painted = "\n".join(cli_status._lines(found, NOW, colours=True))
    assert "\x1b" not in plain
    assert "\x1b[31m✗ needs you\x1b[0m" in painted
    assert "1 tree: 1 needs you" in plain
