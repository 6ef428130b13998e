"""The plugin's NamedTuple is typing's, for what the plugin does with it."""

import typing

import pytest

from tuxcare import values


def both(base):
    class Point(base):
        """A place."""

        x: "int"
        name: "typing.Optional[str]" = None
        more: tuple = ()

        @property
        def double(self):
            return self.x * 2

        def __str__(self):
            return f"<{self.x}>"

    return Point


@pytest.fixture(params=[typing.NamedTuple, values.NamedTuple], ids=["typing", "tuxcare"])
def point(request):
    return both(request.param)


def test_fields_defaults_methods(point):
    assert point._fields == ("x", "name", "more")
    assert point(1) == point(1, None) == point(x=1, more=()) == (1, None, ())
    assert point(1) != point(2)
    assert hash(point(1)) == hash((1, None, ()))
    assert point(3).double == 6
    assert str(point(4)) == "<4>"
    assert repr(point(5, "a")) == "Point(x=5, name='a', more=())"
    assert point(6)._replace(name="b") == point(6, "b")
    assert type(point(6)._replace(name="b")) is point
    assert point(7, "c", (8,))[1:] == ("c", (8,))
    assert point.__doc__ == "A place."
    assert isinstance(point(1), tuple)


def test_what_does_not_fit_is_refused(point):
    with pytest.raises(TypeError):
        point()
    with pytest.raises(TypeError):
        point(1, 2, 3, 4)
    with pytest.raises(TypeError):
        point(1, colour="red")
    with pytest.raises(AttributeError):
        point(1).x = 2
    with pytest.raises(AttributeError):
        point(1).colour = "red"
    with pytest.raises(ValueError):
        point(1)._replace(colour="red")
