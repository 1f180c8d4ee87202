"""JSON from strangers against a schema: what fits comes back, and what does not is said in one line."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from artmodels.io.schema import Count, Digest, Name, Number, Schema, Share, checked, parse


class Inner(Schema):
    share: Share
    pair: tuple[Number, Number] | None = None


class Outer(Schema):
    name: Name
    count: Count
    inner: dict[str, Inner]


GOOD = {"name": "a", "count": 3, "inner": {"x": {"share": 1, "pair": [1, 2.5]}}, "else": "left alone"}


def changed(**changes) -> dict:
    return {**json.loads(json.dumps(GOOD)), **changes}


def test_what_fits_comes_back_typed():
    found = parse(Outer, GOOD, "it")
    assert found.inner["x"].share == 1.0 and found.inner["x"].pair == (1.0, 2.5) and found.count == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], r"it should be an object, found \[\]"),
        (None, "it should be an object, found None"),
        ({"name": "a", "count": 1}, "it.inner is missing"),
        (changed(name=""), "it.name should have at least 1 character"),
        (changed(name="x" * 101), "it.name should have at most 100 characters"),
        (changed(name="a\nb"), "it.name should be printable"),
        (changed(name=3), "it.name should be a valid string, found 3"),
        (changed(count="3"), "it.count should be a valid integer, found '3'"),
        (changed(count=3.5), "it.count should be a valid integer"),
        (changed(count=True), "it.count should be a valid integer, found True"),
        (changed(count=10**400), "it.count should be"),
        (changed(inner={"x": {"share": 1.01}}), "it.inner.x.share should be less than or equal to 1, found 1.01"),
        (changed(inner={"x": {"share": 0, "pair": [1]}}), r"it.inner.x.pair\[1\] is missing"),
        (changed(inner={"x": {"share": 0, "pair": [1, 1e300]}}), r"it.inner.x.pair\[1\] should be less than"),
        (changed(inner={"\x1b[2J": {"share": 2}}), "it should be less than"),
        (changed(inner={"x" * 10_000: {"share": 2}}), "it.inner.xxx"),
        (changed(inner={"x": {"share": "y" * 10_000}}), "it.inner.x.share should be a valid number"),
    ],
)
def test_what_does_not_fit_is_one_line(value, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        parse(Outer, value, "it")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(number):
    with pytest.raises(ValueError, match=r"it.inner.x.share should be"):
        parse(Outer, changed(inner={"x": {"share": float(number)}}), "it")


@checked("place")
class Place:
    name: Name
    weights: tuple[Share, ...] = ()
    digest: Digest | None = None


@checked("route")
class Route:
    stops: tuple[Place, ...]


def test_a_checked_class_is_checked_however_it_is_made():
    route = parse(Route, {"stops": [{"name": "a", "weights": [1, 0.5]}]}, "it")
    assert route == Route((Place("a", (1.0, 0.5)),)) and hash(route) == hash(Route(route.stops))
    for make, expected in (
        (lambda: Place(""), "place.name should have at least 1 character, found ''"),
        (lambda: Place(name="a", weights=(2,)), r"place\.weights\[0\] should be less than or equal to 1, found 2"),
        (lambda: Place(name="a", weights=(float("nan"),)), r"place\.weights\[0\] should be a finite number"),
        (lambda: Place(name="a", digest="A" * 64), "place.digest should be 64 hexadecimal digits"),
        (lambda: replace(route.stops[0], name="a\nb"), "place.name should be printable"),
        (lambda: parse(Route, {"stops": [{"name": "a", "much": 1}]}, "it"), r"it\.stops\[0\]\.much is unknown"),
        (lambda: parse(Route, {"stops": [7]}, "it"), r"it\.stops\[0\] should be an object, found 7"),
        (lambda: parse(Route, {}, "it"), "it.stops is missing"),
    ):
        with pytest.raises(ValueError, match=expected) as caught:
            make()
        assert str(caught.value).isprintable()
    with pytest.raises(FrozenInstanceError):
        route.stops = ()  # type: ignore[misc]
