"""The whole way again, on an S3 service and with two Dask workers: the same tests, word for word.

Who operates the mirror changed three lines of its configuration; the customer's host sees nothing
of it.
"""

import functools
from types import FunctionType

import pytest

from tests.e2e import test_first_light as original
from tests.support.dask import Dask
from tests.support.s3 import surroundings

full = pytest.mark.full


def again(test, *marks):
    """A function of its own: marks of this one are not those of the original."""
    copy = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__)
    for mark in marks:
        mark(copy)
    return copy


test_a_registered_fips_host_upgrades_and_keeps_its_builds = again(
    original.test_a_registered_fips_host_upgrades_and_keeps_its_builds
)
test_strict_holds_the_validated_builds_alone = again(
    original.test_strict_holds_the_validated_builds_alone, full
)
test_unregister_puts_every_byte_back = again(original.test_unregister_puts_every_byte_back, full)
test_without_a_licence_nothing_is_served = again(
    original.test_without_a_licence_nothing_is_served, full
)
test_an_update_that_does_not_verify_never_reaches_the_host = again(
    original.test_an_update_that_does_not_verify_never_reaches_the_host, full
)


@pytest.fixture(params=["moto", pytest.param("ceph", marks=full)])
def operator(request, operator):
    """The same operator, his store and what he serves in a bucket, his packages by workers."""
    service = request.getfixturevalue(request.param)
    bucket = service.bucket()
    operator.main["local"] = operator.store
    operator.main["store"] = f"s3://{bucket}/store"
    operator.main["public"] = f"s3://{bucket}/public"
    with surroundings(service.environment), Dask(service.environment) as dask:
        operator.main["workers"] = dask.address
        operator.sync = functools.partial(operator.sync, timeout=300)
        yield operator
