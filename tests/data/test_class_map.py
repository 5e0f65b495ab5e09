from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nncore.data import ClassMap, sort_class_names
from nncore.errors import DataError

LESSON = ClassMap.from_names(["Cat", "Dog", "Other"])


def test_the_lessons_class_map():
    assert LESSON.names == ("Cat", "Dog", "Other")
    assert len(LESSON) == 3
    assert [LESSON.index(name) for name in ("Cat", "Dog", "Other")] == [0, 1, 2]
    assert [LESSON.name(label) for label in (0, 1, 2)] == ["Cat", "Dog", "Other"]
    assert list(LESSON) == ["Cat", "Dog", "Other"]
    assert repr(LESSON) == "ClassMap(0: 'Cat', 1: 'Dog', 2: 'Other')"
    assert "Dog" in LESSON
    assert "Cow" not in LESSON
    assert 1 not in LESSON


def test_equality_is_about_names_and_order():
    assert ClassMap.from_names(["Cat", "Dog", "Other"]) == LESSON
    assert hash(ClassMap(("Cat", "Dog", "Other"))) == hash(LESSON)
    assert ClassMap.from_names(["Dog", "Cat", "Other"]) != LESSON


def test_encode_and_decode():
    labels = LESSON.encode(["Other", "Cat", "Cat"])
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [2, 0, 0])
    assert LESSON.decode(labels) == ["Other", "Cat", "Cat"]
    assert LESSON.decode(np.array([1], np.uint8)) == ["Dog"]
    assert LESSON.encode([]).shape == (0,)
    assert LESSON.encode(np.array(["Dog"])).tolist() == [1]


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: LESSON.index("Cow"), ValueError, ["'Cow'", "'Cat', 'Dog', 'Other'"]),
        (lambda: LESSON.index(3), TypeError, ["int"]),
        (lambda: LESSON.name(3), ValueError, ["3"]),
        (lambda: LESSON.name(-1), ValueError, ["-1"]),
        (lambda: LESSON.name(1.0), TypeError, ["1.0"]),
        (lambda: LESSON.name(True), TypeError, ["True"]),
        (lambda: LESSON.encode(["Cat", "Cow"]), ValueError, ["position 1", "'Cow'"]),
        (lambda: LESSON.encode("Cat"), TypeError, ["'Cat'"]),
        (lambda: LESSON.decode([0, 3]), ValueError, ["indices[1] is 3"]),
        (lambda: LESSON.decode([0, -1]), ValueError, ["indices[1] is -1"]),
        (lambda: LESSON.decode([0.0]), TypeError, ["float"]),
        (lambda: ClassMap.from_names([]), ValueError, ["at least one"]),
        (lambda: ClassMap.from_names("Cat"), TypeError, ["'Cat'"]),
        (lambda: ClassMap.from_names(["Cat", 2]), TypeError, ["int", "2"]),
        (lambda: ClassMap.from_names(["Cat", " "]), ValueError, ["empty"]),
        (lambda: ClassMap.from_names(["Cat", "A\nB"]), ValueError, ["control"]),
        (lambda: ClassMap.from_names(["Cat", "\udce9"]), ValueError, ["UTF-8"]),
        (lambda: ClassMap.from_names(["Cat", "Dog", "Cat"]), ValueError, ["'Cat'", "0 and 2"]),
    ],
)
def test_refusals(call, error, parts):
    with pytest.raises(error) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


def test_names_that_look_the_same_are_the_same():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert ClassMap.from_names([decomposed, " Dog "]) == ClassMap.from_names([composed, "Dog"])
    assert ClassMap.from_names([composed]).index(decomposed) == 0
    assert decomposed in ClassMap.from_names([composed])
    with pytest.raises(ValueError, match="twice"):
        ClassMap.from_names([composed, decomposed])


def test_integer_names_sort_as_numbers_and_others_as_text():
    assert sort_class_names(["10", "9", "2", "-1"]) == ["-1", "2", "9", "10"]
    assert sort_class_names(["10", "9", "2", "b"]) == ["10", "2", "9", "b"]
    assert sort_class_names(["dog", "Cat", "ant"]) == ["Cat", "ant", "dog"]
    assert sort_class_names([]) == []
    assert ClassMap.from_folder_names(["10", "9"]).names == ("9", "10")


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".json", ".CSV"])
def test_write_and_read_back(tmp_path: Path, suffix: str):
    classes = ClassMap.from_names(['Kat, "the" cat', "Größe", "10", "9"])
    path = tmp_path / f"classes{suffix}"
    classes.write(path)
    assert ClassMap.read(path) == classes
    assert ClassMap.read(str(path)).names == classes.names


def test_written_files_have_the_documented_form(tmp_path: Path):
    for suffix, text in (
        (".csv", "Label,Description\n0,Cat\n1,Dog\n2,Other\n"),
        (".txt", "Cat\nDog\nOther\n"),
        (".json", '[\n  "Cat",\n  "Dog",\n  "Other"\n]\n'),
    ):
        path = tmp_path / f"classes{suffix}"
        LESSON.write(path)
        assert path.read_bytes() == text.encode()
    ClassMap.from_names(["Größe"]).write(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text("utf-8") == '[\n  "Größe"\n]\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "Label,Description\n0,Cat\n1,Dog\n2,Other\n"),
        ("a.csv", "\ufeffLabel,Description\r\n0,Cat\r\n1,Dog\r\n2,Other"),
        ("a.csv", "label, description\n2, Other\n\n0, Cat\n1, Dog\n"),
        ("a.csv", "Description,Note,Label\nDog,x,1\nCat,,0\nOther,y,2\n"),
        ("a.txt", "Cat\nDog\nOther\n\n"),
        ("a.txt", "\ufeffCat\r\nDog\r\nOther"),
        ("a.json", '["Cat", "Dog", "Other"]'),
        ("a.json", '{"0": "Cat", "2": "Other", "1": "Dog"}'),
        ("a.json", '\ufeff{"Cat": 0, "Other": 2, "Dog": 1}'),
    ],
)
def test_accepted_forms(tmp_path: Path, name: str, content: str):
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert ClassMap.read(path) == LESSON


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.csv", b"", ["line 1", "Label,Description"]),
        ("a.csv", b"0,Cat\n1,Dog\n", ["line 1", "Label,Description"]),
        ("a.csv", b"Label;Description\n0;Cat\n", ["line 1", "Label,Description"]),
        ("a.csv", b"Label,Label,Description\n0,0,Cat\n", ["line 1"]),
        ("a.csv", b"Label,Description\n", ["no class"]),
        ("a.csv", b"Label,Description\n0,Cat\n0,Dog\n", ["line 3", "label 0", "line 2"]),
        ("a.csv", b"Label,Description\n0,Cat\n1,Cat\n", ["line 3", "'Cat'", "line 2"]),
        ("a.csv", b"Label,Description\n0,Cat\n2,Dog\n", ["line 3", "gap", "1 is missing"]),
        ("a.csv", b"Label,Description\n1,Cat\n2,Dog\n", ["line 2", "0 is missing"]),
        ("a.csv", b"Label,Description\n0,Cat\n-1,Dog\n", ["line 3", "-1 is negative"]),
        ("a.csv", b"Label,Description\n0,Cat\n1.0,Dog\n", ["line 3", "'1.0'"]),
        ("a.csv", b"Label,Description\n0,Cat\none,Dog\n", ["line 3", "'one'"]),
        ("a.csv", b"Label,Description\n0,Cat\n1,\n", ["line 3", "empty"]),
        ("a.csv", b"Label,Description\n0,Cat\n1\n", ["line 3", "['1']"]),
        ("a.csv", b'Label,Description\n0,Cat\n1,"Dog\n', ["line 3"]),
        ("a.csv", b"Label,Description\n0,Cat\n1,D\xe9g\n", ["line 3", "UTF-8"]),
        ("a.txt", b"", ["no class"]),
        ("a.txt", b"\n \n", ["no class"]),
        ("a.txt", b"Cat\n\nDog\n", ["line 2", "empty"]),
        ("a.txt", b"Cat\nDog\nCat\n", ["line 3", "'Cat'", "line 1"]),
        ("a.txt", b"Cat\nD\xff\xfeg\n", ["line 2", "UTF-8"]),
        ("a.json", b'["Cat",\n "Dog"', ["line 2", "JSON"]),
        ("a.json", b'{"0": "Cat", "0": "Dog"}', ["label 0"]),
        ("a.json", b'{"Cat": 0, "Cat": 1}', ["'Cat'"]),
        ("a.json", b'{"0": "Cat", "2": "Dog"}', ["gap"]),
        ("a.json", b'{"x": "Cat"}', ["'x'", "integer"]),
        ("a.json", b'{"Cat": true, "Dog": false}', ["expected"]),
        ("a.json", b'{"Cat": 0, "Dog": "1"}', ["expected"]),
        ("a.json", b"[1, 2]", ["expected"]),
        ("a.json", b'"Cat"', ["expected"]),
        ("a.json", b"[]", ["no class"]),
        ("a.json", b"[" * 100_000, ["not"]),
        ("a.json", b'["Cat", ""]', ["entry 1", "empty"]),
        ("a.xml", b"Cat", ["'.xml'", ".csv"]),
    ],
)
def test_bad_files_are_named_with_the_line(tmp_path: Path, name: str, content: bytes, parts):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        ClassMap.read(path)
    for part in [str(path), *parts]:
        assert part in str(caught.value)


def test_missing_file_and_unknown_extension(tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        ClassMap.read(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        ClassMap.read(tmp_path / "folder.csv")
    with pytest.raises(ValueError, match=r"\.yaml"):
        LESSON.write(tmp_path / "a.yaml")
    with pytest.raises(OSError, match="none"):
        LESSON.write(tmp_path / "none" / "a.csv")


def test_rows_of_commas_at_the_end_are_passed_over(tmp_path: Path):
    (tmp_path / "classes.csv").write_bytes(b"Label,Description\r\n0,Cat\r\n1,Dog\r\n,\r\n , \r\n")
    assert ClassMap.read(tmp_path / "classes.csv").names == ("Cat", "Dog")
