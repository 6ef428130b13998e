"""The report of long runs comes together part by part."""

from types import SimpleNamespace

import pytest

from tests.support.report import FullReport, compose, read


def outcome(name, outcome="passed", when="call", properties=()):
    return SimpleNamespace(
        nodeid=f"tests/test_a.py::{name}",
        outcome=outcome,
        failed=outcome == "failed",
        skipped=outcome == "skipped",
        when=when,
        duration=1.5,
        user_properties=list(properties),
    )


@pytest.fixture
def target(tmp_path):
    return tmp_path / "report.md"


def run(target, arguments, outcomes, status=0):
    report = FullReport(target, arguments)
    for found in outcomes:
        report.pytest_runtest_logreport(found)
    report.pytest_sessionfinish(None, status)
    return target.read_text() if target.exists() else None


def test_a_run_keeps_its_counts(target):
    counted = [("killed", "at 9 of 9 calls")]
    text = run(
        target, ["tests/a b.py"], [outcome("x"), outcome("x", when="teardown", properties=counted)]
    )
    assert "## `./dev test --full --record 'tests/a b.py'`" in text
    assert "- x: killed: at 9 of 9 calls" in text
    assert "1 passed in 0.0 minutes, exit status 0." in text


def test_a_part_replaces_its_own_section_alone(target):
    run(target, ["a"], [outcome("x")])
    run(target, ["b"], [outcome("y")])
    text = run(target, ["a"], [outcome("x", "failed")], status=1)
    assert list(read(text)) == ["./dev test --full --record a", "./dev test --full --record b"]
    assert "Failed:\n\n- tests/test_a.py::x" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.endswith(end) for row, end in zip(rows, ("| **failed** |", "| good |"))] == [1, 1]


def test_composing_again_changes_nothing(target):
    text = run(target, ["a"], [outcome("x"), outcome("z", "skipped", "setup")])
    assert compose(read(text)) == text


def test_a_run_without_tests_leaves_the_report(target):
    assert run(target, ["a"], []) is None
