"""Every kind of storage, for suites that all of them must pass."""

import pytest


def _kinds(*kinds):
    for kind in kinds:
        if kind == "files":
            yield pytest.param((kind, None), id=kind)
            continue
        yield pytest.param((kind, "moto"), id=f"{kind}-moto")
        yield pytest.param((kind, "ceph"), id=f"{kind}-ceph", marks=pytest.mark.full)


def _place(request, tmp_path):
    from tests.support.s3 import surroundings
    from tests.support.storage import Place

    kind, name = request.param
    if name is None:
        yield Place(kind, tmp_path)
        return
    service = request.getfixturevalue(name)
    with surroundings(service.environment):
        yield Place(kind, tmp_path, service)


@pytest.fixture(params=_kinds("files", "s3"))
def place(request, tmp_path):
    """A store, in a folder and in a bucket."""
    yield from _place(request, tmp_path)


@pytest.fixture(params=_kinds("files", "s3", "store-s3", "public-s3"))
def publishing(request, tmp_path):
    """Every combination of where the store is and where it is published."""
    yield from _place(request, tmp_path)


@pytest.fixture(params=_kinds("s3", "public-s3"))
def public_in_bucket(request, tmp_path):
    """What several machines can publish to."""
    yield from _place(request, tmp_path)


@pytest.fixture(params=_kinds("s3"))
def store_in_bucket(request, tmp_path):
    """What several machines can sync."""
    yield from _place(request, tmp_path)
