"""typing.NamedTuple without typing, which takes a dnf command longer to load than the pins do.

    if TYPE_CHECKING:
        from typing import NamedTuple
    else:
        from tuxcare.values import NamedTuple

The same form of class: fields by annotations (here in quotes), defaults, methods and properties.
"""

import collections


class _NamedTupleMeta(type):
    def __new__(mcs, name, bases, namespace):  # type: ignore[no-untyped-def]
        if not bases:
            return super().__new__(mcs, name, bases, namespace)
        # Asked of a class: Python 3.14 keeps annotations in the namespace in another form.
        fields = list(type(name, (), dict(namespace)).__annotations__)
        base = collections.namedtuple(name, fields)  # type: ignore[misc]
        defaults = [namespace.pop(field) for field in fields if field in namespace]
        base.__new__.__defaults__ = tuple(defaults)
        for private in ("__annotations__", "__annotate__", "__annotate_func__"):
            namespace.pop(private, None)
        return type(name, (base,), dict(namespace, __slots__=()))


class NamedTuple(metaclass=_NamedTupleMeta):
    """Base of a class of values."""
