"""A bench that was stopped, or whose machine failed one part, keeps what it measured."""

from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import kept, report, scale
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


def test_a_bench_of_engines_that_was_stopped_goes_on(tmp_path, monkeypatch):
    measured = []

    def piece(key, trees, number, engine):
        if (number, engine) == (20, "Ceph"):
            raise KeyboardInterrupt
        measured.append((number, engine))
        return scale.Piece("abc", 0.5, [scale.Point(engine, number, "first sync", 1, 2, 0, 3)])

    monkeypatch.setattr(scale, "FOLDER", tmp_path)
    monkeypatch.setattr(scale, "upstreams", lambda key, sizes: dict.fromkeys(sizes))
    monkeypatch.setattr(kept, "commit", lambda: "abc")
    monkeypatch.setattr(scale, "piece", piece)
    with pytest.raises(KeyboardInterrupt):
        list(scale.pieces(None, [10, 20], resume=True))
    before = list(measured)
    assert before == [*((10, engine) for engine in scale.ENGINES), (20, "folders")]
    with pytest.raises(KeyboardInterrupt):
        list(scale.pieces(None, [10, 20], resume=True))
    assert measured == before
    # Of another commit, or asked to begin afresh, all of it is measured again.
    monkeypatch.setattr(kept, "commit", lambda: "def")
    assert next(scale.pieces(None, [10], resume=True)).points[0].packages == 10
    assert measured == [*before, (10, "folders")]
    next(scale.pieces(None, [10], resume=False))
    assert measured == [*before, (10, "folders"), (10, "folders")]
