"""A bench that was stopped, or whose machine failed one part, keeps what it measured."""

from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import kept, report
from bench.kept import Part
from bench.measure import Cost, Series
from bench.scenarios import Row

ROW = Row("work", Series([Cost(1.0, 100, 0.5), Cost(2.0, 300, 1.5)]), 0.5, "to that", 0.6)
PART = Part("first", "abc", 2, 60.0, 0.3, [ROW])


def test_a_part_comes_back_as_it_was(tmp_path):
    kept.save(tmp_path, PART)
    assert kept.load(tmp_path, ["other", "first"]) == {"first": PART}


def test_the_report_says_what_could_not_be_measured():
    text = report.markdown({"first": PART}, ["memory"])
    assert "| work | 1.50 | 67% | 1.00 s | 0 MB | 0.50 to that | 0.6 | met |" in text
    assert "| first | abc | 2 | 60 s | 0.3 |" in text
    assert "| memory | **could not be measured** |" in text


@pytest.fixture
def bench(tmp_path, monkeypatch):
    calls = []

    def part(_bench):
        calls.append(1)
        return [ROW]

    def broken(_bench):
        raise RuntimeError("no such machine")

    monkeypatch.setattr(command, "SCENARIOS", {"good": part, "bad": broken})
    monkeypatch.setattr(kept, "commit", lambda: "abc")
    return SimpleNamespace(folder=tmp_path, rounds=2, calls=calls)


def test_what_was_measured_of_this_commit_is_not_measured_again(bench, monkeypatch):
    assert command._measured(bench, "good", resume=False)
    assert command._measured(bench, "good", resume=True)
    assert len(bench.calls) == 1
    monkeypatch.setattr(kept, "commit", lambda: "def")
    assert command._measured(bench, "good", resume=True)
    assert len(bench.calls) == 2


def test_a_part_that_fails_leaves_the_others(bench, capsys):
    assert not command._measured(bench, "bad", resume=False)
    assert "no such machine" in capsys.readouterr().err
    assert kept.load(bench.folder / "parts", ["bad"]) == {}
