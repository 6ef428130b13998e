"""What every executor promises (ports.Executor), shown on processes of this machine and on Dask."""

import time
from multiprocessing import resource_tracker

import pytest

from tests.support.dask import Dask
from tests.support.executor_work import Piece, work
from tuxmirror.adapters.dask_executor import DaskExecutor
from tuxmirror.adapters.local_executor import LocalExecutor
from tuxmirror.core.errors import DigestError, NetworkError, VerificationError

WORKERS = 2


@pytest.fixture(scope="module")
def cluster():
    with Dask({}, workers=WORKERS, memory="600MB") as dask:
        yield dask


@pytest.fixture(params=["local", "dask"])
def executor(request):
    if request.param == "local":
        yield LocalExecutor(work, WORKERS, 600 << 20)
        # It would live as long as this process; that of a sync ends with the sync.
        resource_tracker._resource_tracker._stop()
        return
    dask = request.getfixturevalue("cluster")
    dask.wait(WORKERS)
    yield DaskExecutor(dask.address, work)


def pieces(number, **changes):
    return [Piece(n, **changes) for n in range(number)]


def begun(folder):
    return len(list(folder.iterdir()))


def test_each_piece_has_one_result(executor):
    assert sorted(executor.run(pieces(40))) == list(range(40))
    assert list(executor.run([])) == []
    assert sorted(executor.run(iter(pieces(3)))) == [0, 1, 2]


def test_an_error_comes_as_it_was(executor):
    with pytest.raises(DigestError) as caught:
        list(executor.run([*pieces(5), Piece(7, "digest")]))
    assert caught.value.as_dict() == {
        **caught.value.as_dict(),
        "message": "not what it should be",
        "expected": "a" * 64,
        "tree": "almalinux/9.2",
        "path": "7",
        "exit_status": 4,
    }


def test_a_bug_comes_as_it_was(executor):
    with pytest.raises(ZeroDivisionError, match="piece 3"):
        list(executor.run([Piece(3, "bug"), *pieces(2)]))


def test_whoever_gives_up_starts_nothing_more(executor, tmp_path):
    results = executor.run(pieces(60, kind="slow", folder=str(tmp_path)))
    next(results)
    results.close()
    # What was given out already may still be under way.
    time.sleep(1.5)
    after = begun(tmp_path)
    assert after <= 2 * WORKERS + 2
    time.sleep(1)
    assert begun(tmp_path) == after


def test_a_worker_that_dies_costs_a_second_attempt(executor, tmp_path):
    some = pieces(12, folder=str(tmp_path))
    some[4] = some[4]._replace(kind="killed once")
    assert sorted(executor.run(some)) == list(range(12))
    assert len(list(tmp_path.glob("4-*"))) == 2


def test_what_no_worker_survives_is_told(executor, tmp_path):
    some = [*pieces(6, folder=str(tmp_path)), Piece(6, "deadly", str(tmp_path))]
    with pytest.raises(VerificationError) as caught:
        list(executor.run(some))
    assert "ends every process" in caught.value.message
    assert "nothing was published" in caught.value.way_out
    assert 1 < len(list(tmp_path.glob("6-*"))) <= 4


@pytest.mark.full
def test_a_piece_that_takes_all_memory_is_stopped(executor):
    """Processes here meet their limit; a Dask worker is ended by its nanny, again and again."""
    with pytest.raises((MemoryError, VerificationError)):
        list(executor.run([Piece(0, "greedy"), *pieces(3)]))
    assert sorted(executor.run(pieces(3))) == [0, 1, 2]


def test_only_a_few_pieces_are_there_at_a_time(executor):
    """However many there are: what waits is not made yet, what is done is not kept."""
    size, number = 200_000, 120
    drawn = told = most = 0

    def made():
        nonlocal drawn
        for n in range(number):
            drawn += 1
            yield Piece(n, load=bytes(size))

    for result in executor.run(made()):
        assert result >= size
        told += 1
        most = max(most, drawn - told)
    assert told == number
    assert most <= 2 * WORKERS + 2


def test_a_scheduler_without_workers_is_told():
    with Dask({}, workers=0) as dask:
        executor = DaskExecutor(dask.address, work, patience=1)
        with pytest.raises(NetworkError) as caught:
            list(executor.run(pieces(1)))
    assert "no workers" in caught.value.found
    assert dask.address in caught.value.expected
