"""The table of an audit, and data sets that obey it."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from nncore.data import Corrections, ImageDataset
from nncore.data.sources.audit_csv import AuditRow, has_actions, read_audit_csv, write_audit_csv
from nncore.errors import DataError

ODD = ['cat, "tom"', "dög", "鳥"]


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for name in ODD:
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (6, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "in" / name / f"{number} of {name[0]}.png")
    return ImageDataset.from_folder(tmp_path / "in")


def written(data, tmp_path, actions):
    """A table of all images with an action for each of some positions: (action, suggested)."""
    table = tmp_path / "out" / "audit.csv"
    table.parent.mkdir(exist_ok=True)
    names = data.classes.decode(data.labels)
    write_audit_csv(
        table,
        [AuditRow(p, n, ODD[0], 0.25, "why") for p, n in zip(data.paths, names, strict=True)],
    )
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for position, (action, suggested) in actions.items():
        rows[position] |= {"action": action, "suggested": suggested}
    with open(table, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    return table


def test_as_written_it_changes_nothing(data, tmp_path):
    table = written(data, tmp_path, {})
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "path,label,suggested,score,reason,action"
    assert not has_actions(table)
    assert not has_actions(tmp_path / "none.csv")
    same = data.with_audit(table)
    assert same.labels.tolist() == data.labels.tolist()
    assert same.paths == data.paths
    assert same.skipped == data.skipped


def test_images_are_moved_left_out_and_kept(data, tmp_path):
    actions = {
        0: ("move", ODD[2]),
        3: ("Leave_Out", ""),
        5: ("keep", ODD[2]),
        7: ("move to", ODD[0]),
        9: (" leave-out ", "no class at all"),
    }
    table = written(data, tmp_path, actions)
    assert has_actions(table)
    found = data.with_audit(table)
    assert data.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4  # the data themselves stay
    kept = [i for i in range(12) if i not in (3, 9)]
    assert found.paths == [data.paths[i] for i in kept]
    expected = data.labels.copy()
    expected[[0, 7]] = 2, 0
    assert found.labels.tolist() == expected[kept].tolist()
    assert [(file.path, file.kind) for file in found.skipped] == [
        (data.paths[i], "audited") for i in (3, 9)
    ]
    assert found.digests == [data.digests[i] for i in kept]
    corrections = read_audit_csv(table, data.paths, data.classes)
    assert (corrections.moved, corrections.left_out) == (2, 2)


@pytest.mark.parametrize(
    ("action", "suggested", "words"),
    [
        ("delete", ODD[0], "line 4: the action is 'delete'"),
        ("move", "cow", "line 4: there is no class 'cow'"),
        ("move", " ", "line 4: suggested: .* is empty"),
    ],
)
def test_wrong_rows_are_named(data, tmp_path, action, suggested, words):
    table = written(data, tmp_path, {2: (action, suggested)})
    with pytest.raises(DataError, match=words):
        data.with_audit(table)


def test_unknown_paths_and_two_minds_are_named(data, tmp_path):
    table = written(data, tmp_path, {1: ("leave out", "")})
    with open(table, "a", encoding="utf-8") as file:
        file.write("../in/gone.png,a,b,0.1,,\n")
    with pytest.raises(DataError, match=r"line 14: \.\./in/gone\.png is none of the 12 images"):
        data.with_audit(table)
    table = written(data, tmp_path, {1: ("leave out", "")})
    with open(table, newline="", encoding="utf-8") as file:
        path = list(csv.DictReader(file))[1]["path"]
    with open(table, "a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([path, "", "", "", "", "keep"])
    with pytest.raises(DataError, match=r"line 14: .* has another action than in line 3"):
        data.with_audit(table)


def test_a_table_without_its_columns_and_a_class_that_is_emptied(data, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("path,label\na,b\n")
    with pytest.raises(DataError, match="'action'"):
        data.with_audit(table)
    assert has_actions(table)  # nobody knows what it is: it is not written over
    gone = Corrections(dict.fromkeys(data.paths[4:8]))
    with pytest.raises(DataError, match="no image in class 'dög'"):
        data.with_audit(gone)
