"""Multipart bodies: what is put in comes out, and what is not multipart is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncore.serve.multipart import (
    MultipartError,
    TooManyPartsError,
    boundary_of,
    parts_of,
    shown_name,
)
from serving import multipart

PART = b'--cut\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'


def read(body: bytes) -> list[bytes]:
    return [bytes(part.content) for part in parts_of(body, b"cut", 9)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.just(b"\r\n--cu\r\n") | st.just(b"--"), max_size=5))
def test_what_is_put_in_comes_out(contents):
    body, headers = multipart(*[("x", content) for content in contents])
    if any(b"--cut" in content for content in contents):
        return
    assert boundary_of(headers["Content-Type"]) == b"cut"
    if contents:
        assert read(body) == contents


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_bodies_are_read_or_refused(data):
    body = bytearray(multipart(("a.png", b"12345"), ("b.png", b"\r\n\r\n"))[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"", b"\r\n", b"--cut", b'"', b"--", b":"])
        )
    try:
        parts = parts_of(bytes(body), b"cut", 9)
    except (MultipartError, TooManyPartsError):
        return
    assert all(len(part.content) <= len(body) for part in parts)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--cut",
        b"no boundary at all",
        b"--cut\r\n",
        b"--cutter\r\n" + PART[7:] + b"x\r\n--cut--",
        PART + b"content",
        PART + b"content\r\n--other--\r\n",
        PART + b"content--cut--\r\n",
        b"--cut\r\nContent-Type: image/png\r\n\r\nx\r\n--cut--\r\n",
        b"--cut\r\nContent-Disposition: attachment\r\n\r\nx\r\n--cut--\r\n",
        b"--cut\r\nno colon\r\n\r\nx\r\n--cut--\r\n",
        b"--cut\r\n" + b"A: " + b"a" * 9000 + b"\r\n\r\nx\r\n--cut--\r\n",
        PART[:-4].replace(b'"b"', b'"b') + b"\r\n\r\nx\r\n--cut--\r\n",
    ],
)
def test_what_is_refused(body):
    with pytest.raises(MultipartError):
        parts_of(body, b"cut", 9)


def test_what_may_stand_around_the_parts():
    assert read(b"preamble\r\n" + PART + b"1\r\n--cut \t\r\n" + PART[7:] + b"2\r\n--cut--") == [
        b"1",
        b"2",
    ]
    assert read(PART + b"1\r\n--cut--\r\nepilogue\r\n--cut\r\n") == [b"1"]
    assert read(b"--cut--\r\n") == []


def test_more_parts_than_allowed():
    body = PART + b"1\r\n" + PART + b"2\r\n--cut--\r\n"
    assert len(parts_of(body, b"cut", 2)) == 2
    with pytest.raises(TooManyPartsError):
        parts_of(body, b"cut", 1)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; boundary="a b"; charset=utf-8', b"a b"),
        ("multipart/mixed; charset=x ; Boundary=--1", b"--1"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=" + "a" * 71, None),
        ("multipart/form-data; boundary=a\u00e9", None),
        ("multipart/form-data; ;;", None),
    ],
)
def test_boundaries(content_type, boundary):
    if boundary is None:
        with pytest.raises(MultipartError):
            boundary_of(content_type)
    else:
        assert boundary_of(content_type) == boundary


def test_names_of_fields_and_files():
    body = (
        b'--cut\r\ncontent-disposition: FORM-DATA; name="a;b=\\"c"; filename="d;e.png"\r\n'
        b"Content-Type: image/png\r\n\r\n1\r\n"
        b"--cut\r\nContent-Disposition: form-data; name=plain\r\n\r\n2\r\n--cut--\r\n"
    )
    first, second = parts_of(body, b"cut", 9)
    assert (first.field, first.filename) == ('a;b="c', "d;e.png")
    assert (second.field, second.filename) == ("plain", None)


def test_a_name_is_one_line_of_letters():
    assert shown_name("a/b\\c\r\nSet-Cookie: x") == "cSet-Cookie: x"
    assert shown_name("\x00\x1b\u202e") == ""
