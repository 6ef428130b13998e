"""The whole way again, on an S3 service, with and without two Dask workers: the same tests, word
for word, each of them.

Who operates the mirror changed three lines of its configuration; the customer's host sees nothing
of it.
"""

import contextlib
import functools
from types import FunctionType

import pytest

from tests.e2e import test_first_light as original
from tests.support.dask import Dask
from tests.support.s3 import surroundings

full = pytest.mark.full
IN_CI = "test_a_registered_fips_host_upgrades_and_keeps_its_builds"


def again(test, *marks):
    """A function of its own: marks of this one are not those of the original."""
    copy = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__)
    for mark in marks:
        mark(copy)
    return copy


globals().update(
    (name, again(test, *([] if name == IN_CI else [full])))
    for name, test in list(vars(original).items())
    if name.startswith("test_")
)


@pytest.fixture(
    params=[
        pytest.param(("moto", 2), id="moto-workers"),
        pytest.param(("ceph", 0), id="ceph", marks=full),
        pytest.param(("ceph", 2), id="ceph-workers", marks=full),
    ]
)
def operator(request, operator):
    """The same operator, his store and what he serves in a bucket, his packages by workers."""
    name, workers = request.param
    service = request.getfixturevalue(name)
    bucket = service.bucket()
    operator.main["local"] = operator.store
    operator.main["store"] = f"s3://{bucket}/store"
    operator.main["public"] = f"s3://{bucket}/public"
    operator.sync = functools.partial(operator.sync, timeout=300)
    with contextlib.ExitStack() as stack:
        stack.enter_context(surroundings(service.environment))
        if workers:
            dask = stack.enter_context(Dask(service.environment, workers))
            operator.main["workers"] = dask.address
        yield operator
