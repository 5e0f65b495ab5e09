"""Files read by a team are what one process reads, whoever reads which of them."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset
from nncore.data.normalization import channel_statistics
from nncore.data.reading import shares
from nncore.data.spread import SpreadImages
from nncore.errors import DataError
from teams import in_team


def write_pictures(folder, count=50, size=(9, 7), seed=0):
    rng = np.random.default_rng(seed)
    for name in ("ant", "bee"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
    return folder


@pytest.fixture
def pictures(tmp_path):
    """100 pictures, two of them broken, in different shares of any team."""
    folder = write_pictures(tmp_path / "pictures")
    for name in ("ant/003.png", "bee/049.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    return folder


def known(data: ImageDataset) -> tuple:
    """All that a data set is, to be compared."""
    return (
        np.asarray(data.images).tobytes(),
        data.images.shape,
        data.labels.tolist(),
        data.paths,
        data.skipped,
        data.digests,
        data.pixel_digests,
        data.preprocessing,
        data.notes,
    )


def read(folder, **more):
    return ImageDataset.from_folder(folder, max_broken=0.1, **more)


@pytest.fixture(params=["in each", "spread"])
def arrangement(request, monkeypatch):
    if request.param == "spread":
        monkeypatch.setattr(shares, "MOST_IN_EACH", 0)
    return request.param


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("cached", [False, True])
def test_a_team_reads_what_one_process_reads(pictures, tmp_path, size, cached, arrangement):
    alone = known(read(pictures))
    cache = tmp_path / "cache" if cached else False
    for _ in range(2):  # the second time from the cache
        found = in_team(size, lambda _: known(read(pictures, cache=cache)))
        assert found == [alone] * size
    if cached:  # nobody has decoded what was another's
        assert len(list(cache.glob("*/manifest.json"))) == size


def test_each_holds_its_share_alone(pictures, monkeypatch):
    monkeypatch.setattr(shares, "MOST_IN_EACH", 0)

    def held(member):
        images = read(pictures).images
        assert isinstance(images, SpreadImages)
        return len(images.holdings.own), images.owned(member.rank).tolist()

    counts, owned = zip(*in_team(3, held), strict=True)
    assert sum(counts) == 98
    assert max(counts) < 98
    assert sorted(position for some in owned for position in some) == list(range(98))


def test_a_whole_cache_of_before_is_used(pictures, tmp_path, monkeypatch):
    alone = read(pictures, cache=tmp_path / "cache")
    monkeypatch.setattr(shares, "each", None)  # nobody reads a share
    found = in_team(2, lambda _: known(read(pictures, cache=tmp_path / "cache")))
    assert found == [known(alone)] * 2


@pytest.mark.parametrize(
    ("other", "size", "mode"), [("small", (12, 12), "RGB"), ("gray", (9, 7), "L")]
)
def test_shares_of_other_sizes_or_colours_agree(tmp_path, other, size, mode, arrangement):
    """What one share alone would have left as it is."""
    folder = write_pictures(tmp_path / "pictures", 32)
    for path in sorted((folder / "bee").iterdir()):
        Image.open(path).resize(size).convert(mode).save(path)
    alone = known(read(folder))
    assert in_team(2, lambda _: known(read(folder))) == [alone] * 2


def test_files_that_not_everybody_sees(pictures, tmp_path, monkeypatch):
    """As on disks of two machines: a table has all paths, each machine some files."""
    names = [path.relative_to(pictures).as_posix() for path in sorted(pictures.glob("*/*.png"))]
    table = tmp_path / "all.csv"
    rows = [f"{tmp_path / 'disk' / name},{name.split('/')[0]}" for name in names]
    table.write_text("\n".join(["path,label", *rows, f"{tmp_path}/disk/lost.png,bee"]) + "\n")
    (tmp_path / "disk").symlink_to(pictures)
    alone = known(ImageDataset.from_csv(table, max_broken=0.1))
    hidden = [{name for i, name in enumerate(names) if i % 3 == rank} for rank in range(2)]
    real, this = shares.file_status, threading.local()

    def status(files):
        found = np.array(real(files))
        unseen = [os.path.relpath(path, tmp_path / "disk") in this.hidden for path in files]
        found[unseen] = -1
        return found

    monkeypatch.setattr(shares, "file_status", status)

    def work(member):
        this.hidden = hidden[member.rank]
        owner = shares.owners(member, [str(tmp_path / "disk" / name) for name in names])
        for rank in range(2):
            assert not {name for i, name in enumerate(names) if owner[i] == rank} & hidden[rank]
        return known(ImageDataset.from_csv(table, max_broken=0.1))

    assert in_team(2, work) == [alone] * 2


def test_too_many_broken_files_are_told_to_all(pictures):
    def told(_):
        with pytest.raises(DataError, match="2 of 100 image files are broken") as error:
            ImageDataset.from_folder(pictures)
        return str(error.value)

    one, other = in_team(2, told)
    assert one == other == told(None)


def test_what_fails_in_one_is_raised_in_all(pictures, monkeypatch):
    """Such as a disk of one machine: the others would wait for its share forever."""
    this = threading.local()
    real = shares._part

    def part(*arguments):
        if this.rank == 1:
            raise OSError(5, "Input/output error", "here.png")
        return real(*arguments)

    monkeypatch.setattr(shares, "_part", part)

    def told(member):
        this.rank = member.rank
        with pytest.raises(OSError, match=r"Input/output error: 'here.png'"):
            read(pictures)
        return True

    assert in_team(3, told) == [True] * 3


def test_statistics_of_a_team_are_those_of_one(pictures, arrangement):
    alone = channel_statistics(read(pictures).images)
    assert in_team(3, lambda _: channel_statistics(read(pictures).images)) == [alone] * 3
