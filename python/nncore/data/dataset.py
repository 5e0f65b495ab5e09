"""A labelled set of images in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_sequence
from nncore.array_protocols import native
from nncore.data.labels.class_map import ClassMap
from nncore.data.labels.corrections import Corrections, corrected
from nncore.data.labels.encoding import check_labels, one_hot
from nncore.data.labels.given_classes import Classes, as_class_map
from nncore.data.labels.parts import PARTS, TEST, TRAIN, VAL, parts_of
from nncore.data.labels.split import keep_together, split_sides
from nncore.data.mapped import Pixels, chosen_images, contiguous_images
from nncore.data.pictures.decode import MAX_PIXELS
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.load import load_files
from nncore.data.reading.result import check_broken, no_usable
from nncore.data.reading.settings import CacheChoice, Reading
from nncore.data.reading.source import Source
from nncore.data.reading.workers import Progress
from nncore.data.skipped import SkippedFile
from nncore.data.sources.arrays import image_array, label_array
from nncore.data.sources.audit_csv import read_audit_csv
from nncore.data.sources.listing import Listing, list_folder, list_source, list_table
from nncore.data.sources.split_csv import listed_parts
from nncore.data.sources.table_paths import with_near_ones
from nncore.errors import DataError
from nncore.process.team import by_first


@dataclass(eq=False, repr=False)
class ImageDataset:
    """Images, labels and where they came from. Make one with `from_folder`, `from_csv` or
    `from_arrays`.

    Attributes
    ----------
    images
        uint8 (N, H, W, C), C-contiguous, C = 1 (gray) or 3 (RGB). With a cache, and for parts of a
        `numpy.memmap`: `MappedImages`, whose pixels are read (those of a cache checked, too) when
        an index, a slice or `numpy.asarray` asks for them.
    labels
        int32 (N,), 0..K-1.
    classes
        The K class names.
    preprocessing
        How the files became these pixels; travels with the model.
    paths
        The N files; empty strings for images that came from arrays.
    skipped
        Every file that was found and not used, with the reason.
    split_notes
        On the parts that `split` returns: what could not be done as asked.
    given_split
        "train", "val" or "test" for each image where the data came with a split, else None.
    groups
        The group of each image, whose members stay on one side of a split; "" is no group. None
        where the data has no groups.
    digests
        BLAKE2b-128 of the bytes of each file; None for images that came from arrays.
    pixel_digests
        BLAKE2b-128 of the pixels of each image, where they are known already.
    notes
        What could not be done as asked when the images were read.
    """

    images: Pixels
    labels: NDArray[np.int32]
    classes: ClassMap
    preprocessing: Preprocessing
    paths: list[str]
    skipped: list[SkippedFile] = field(default_factory=list)
    split_notes: list[str] = field(default_factory=list)
    given_split: list[str] | None = None
    groups: list[str] | None = None
    digests: list[bytes] | None = None
    pixel_digests: list[bytes] | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("images", "labels", "paths", "given_split", "groups"):
            check_sequence(name, getattr(self, name))
        self.images = contiguous_images(self.images)
        count = len(self.images)
        if len(self.labels) != count or len(self.paths) != count:
            raise ValueError(
                f"images, labels and paths differ in length: {count}, {len(self.labels)} and "
                f"{len(self.paths)}"
            )
        for name in ("given_split", "groups", "digests", "pixel_digests"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise ValueError(f"{name} has {len(values)} entries for {count} images")
        for part in set(self.given_split or ()):
            if part not in PARTS:
                raise ValueError(f"given_split holds {part!r}; known: {', '.join(PARTS)}")
        if self.images.dtype != np.uint8 or self.images.shape[1:] != self.preprocessing.input_shape:
            raise ValueError(
                f"images are {self.images.dtype} {self.images.shape}, but the preprocessing says "
                f"uint8 (N, {', '.join(map(str, self.preprocessing.input_shape))})"
            )
        check_labels(self.labels, len(self.classes))

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        size: int | tuple[int, int] | None = None,
        color: str | None = None,
        classes: Classes | None = None,
        max_broken: float = 0.01,
        workers: int | None = None,
        progress: Progress | None = None,
        preprocessing: Preprocessing | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        allow_missing_classes: bool = False,
        cache: CacheChoice = False,
        fit: str = "stretch",
        layout: str = "auto",
    ) -> ImageDataset:
        """Read a folder with one sub-folder of images per class.

        Parameters
        ----------
        folder
            Its sub-folders name the classes; folders nested in them are read too. Hidden files
            are left out, files are recognised by content. Where its sub-folders are named after
            train, val (valid, validation) and test, they are the parts of a split, and `split`
            keeps to it (`layout`).
        size
            Side or (height, width) in pixels. None: the images' own size if all have the same and
            it is at most 64 x 64, else (64, 64).
        color
            ``"rgb"``, ``"gray"`` or None: gray if every picture is stored as gray.
        classes
            Class map, its file, or a list of names; must agree with the sub-folders. None: the
            folder's own ``classes.csv`` if it has one, else the sub-folders in sorted order.
        max_broken
            Largest fraction of broken image files that is put up with.
        workers
            Decoding threads; by default the CPUs this process may use, or one for tiny files.
        progress
            Called as ``progress(done, total)``, in files, from the calling thread.
        preprocessing
            A model's; takes the place of `size`, `color` and `fit`.
        max_pixels
            Larger pictures are refused (as broken) before they are decoded.
        allow_missing_classes
            Accept that some classes have no images (to evaluate on part of the classes).
        cache
            A folder where the decoded images are kept, so that files which have not changed since
            are neither read nor decoded again; True: the user's cache folder
            (``docs/files.md``). The images are then a memory map.
        fit
            Of pictures with another aspect ratio: ``"stretch"`` scales them to the size all the
            same, ``"crop"`` cuts off what sticks out at both ends, ``"pad"`` fills what is left
            open with white. Networks that were trained on photos (`nncore.backbone`) see best what
            is cropped.
        layout
            ``"classes"``: each sub-folder is a class. ``"parts"``: each holds a sub-folder per
            class. ``"auto"``: seen from names and content; what is not plain is in `notes`.

        Raises
        ------
        DataError
            Missing folder, fewer than two classes, an empty class, too many broken files, or a
            class map that disagrees with the sub-folders (both sides are listed).
        TypeError, ValueError
            A wrong argument.
        """
        reading = Reading(
            size,
            color,
            max_pixels=max_pixels,
            max_broken=max_broken,
            cache=cache,
            preprocessing=preprocessing,
            fit=fit,
            layout=layout,
        )
        listing = by_first(lambda: list_folder(folder, classes, allow_missing_classes, layout))
        return cls._read(listing, reading, workers, progress, allow_missing_classes)

    @classmethod
    def from_csv(
        cls,
        csv_path: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        size: int | tuple[int, int] | None = None,
        color: str | None = None,
        classes: Classes | None = None,
        max_broken: float = 0.01,
        workers: int | None = None,
        progress: Progress | None = None,
        preprocessing: Preprocessing | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        allow_missing_classes: bool = False,
        cache: CacheChoice = False,
        fit: str = "stretch",
    ) -> ImageDataset:
        """Read the images listed in a table with the columns ``path`` and ``label``.

        A column ``split`` (train, val or test in every line) is the split that `split` keeps to;
        images with the same name in a column ``group``, such as those of one patient or one film,
        stay on one side. ``.tsv`` and ``.tab`` files are tab-separated, others comma-separated.
        Paths are relative to `root`, by default the folder of the table. Labels are class names;
        where `classes` is given and no label is one of its names, they may be its integers. A file
        that is missing counts as broken. The other arguments are those of `from_folder`.

        Raises
        ------
        DataError
            As `from_folder`; also a table without these columns, or with empty or contradictory
            rows (file and line are named).
        TypeError, ValueError
            A wrong argument.
        """
        reading = Reading(
            size,
            color,
            max_pixels=max_pixels,
            max_broken=max_broken,
            cache=cache,
            preprocessing=preprocessing,
            fit=fit,
        )
        listing = by_first(lambda: list_table(csv_path, root, classes, allow_missing_classes))
        return cls._read(listing, reading, workers, progress, allow_missing_classes)

    @classmethod
    def read(
        cls,
        source: str | os.PathLike[str],
        reading: Reading,
        *,
        classes: Classes | None = None,
        allow_missing_classes: bool = False,
        allow_empty: bool = False,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> ImageDataset:
        """`from_folder`, or `from_csv` where `source` is no folder, by settings that are already
        one object; with `allow_empty` there may be no usable image at all."""
        listing = by_first(
            lambda: list_source(source, classes, allow_missing_classes, reading.layout)
        )
        return cls._read(listing, reading, workers, progress, allow_missing_classes, allow_empty)

    @classmethod
    def from_arrays(
        cls,
        images: ArrayLike,
        labels: Any,
        classes: Classes | None = None,
        names: Sequence[str] | None = None,
        *,
        split: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> ImageDataset:
        """Data set of images that are already in memory.

        Parameters
        ----------
        images
            uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3); shared, not copied, when C-contiguous.
        labels
            N integers, one-hot rows (N, K) or N class names.
        classes
            Class map, its file or a list of the K class names; by default "0", "1", ... or the
            sorted names among the labels.
        names
            A name per image, kept as `paths` (shown beside mistakes).
        split
            "train", "val" or "test" per image: the split that `split` keeps to.
        groups
            A name per image; images of one name stay on one side of a split, "" is no group.

        Raises
        ------
        DataError
            No images, or fewer than two classes.
        TypeError, ValueError
            Wrong dtypes, shapes or labels, or lengths that differ.
        """
        for name, values in (
            ("classes", classes),
            ("names", names),
            ("split", split),
            ("groups", groups),
        ):
            check_sequence(name, values)
        pixels, labels = image_array(native(images, "images")), native(labels, "labels")
        if len(pixels) == 0:
            raise DataError("images is empty")
        class_map = None if classes is None else as_class_map(classes)
        if np.shape(labels)[:1] != (len(pixels),):
            raise ValueError(
                f"images holds {len(pixels)} images, but labels has shape {np.shape(labels)}"
            )
        integers, class_map = label_array(labels, class_map)
        if len(class_map) < 2:
            raise DataError(
                f"the labels have one class only ({class_map.name(0)!r}); "
                "a classifier needs at least two"
            )
        if names is not None and len(names) != len(pixels):
            raise ValueError(
                f"names holds {len(names)} names for {len(pixels)} images (class names are given "
                "with classes)"
            )
        return cls(
            images=pixels,
            labels=integers,
            classes=class_map,
            preprocessing=Preprocessing(
                int(pixels.shape[1]),
                int(pixels.shape[2]),
                "gray" if pixels.shape[3] == 1 else "rgb",
            ),
            paths=[""] * len(pixels) if names is None else [str(name) for name in names],
            given_split=None if split is None else parts_of(split),
            groups=None if groups is None else [str(group) for group in groups],
        )

    @classmethod
    def _read(
        cls,
        listing: Listing,
        reading: Reading,
        workers: int | None,
        progress: Progress | None,
        allow_missing_classes: bool,
        allow_empty: bool = False,
    ) -> ImageDataset:
        """Open the files of a listing."""
        where, paths, classes = listing.name, listing.paths, listing.classes
        loaded = load_files(Source(where, listing.base, paths), reading, workers, progress)
        kept = loaded.kept
        unusable = by_first(lambda: with_near_ones(loaded.skipped, listing.base))
        check_broken(where, len(kept), unusable, reading.max_broken)
        labels = listing.labels if len(kept) == len(paths) else listing.labels[kept]
        used = np.bincount(labels, minlength=len(classes))
        listed = np.bincount(listing.labels, minlength=len(classes))
        empty = [label for label in range(len(classes)) if used[label] == 0]
        if (len(kept) == 0 and not allow_empty) or (empty and not allow_missing_classes):
            details = [f"{classes.name(label)!r} ({listed[label]} files)" for label in empty[:20]]
            label_of = dict(zip(paths, listing.labels.tolist(), strict=True))
            lost = [file for file in unusable if label_of.get(file.path) in empty]
            raise DataError(no_usable(where, details, lost or listing.skipped))
        return cls(
            images=loaded.images,
            labels=labels,
            classes=classes,
            preprocessing=loaded.preprocessing,
            paths=paths if len(kept) == len(paths) else [paths[position] for position in kept],
            skipped=[*listing.skipped, *unusable],
            given_split=_at(listing.parts, kept),
            groups=_at(listing.groups, kept),
            digests=loaded.digests,
            pixel_digests=loaded.pixel_digests,
            notes=[*listing.notes, *loaded.notes],
        )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shown = list(self.counts.items())[:10]
        counts = ", ".join(f"{name}: {count}" for name, count in shown)
        rest = f", ... {len(self.classes)} classes" if len(self.classes) > len(shown) else ""
        height, width, _ = self.preprocessing.input_shape
        return (
            f"ImageDataset({len(self)} images {height}x{width} {self.preprocessing.color}; "
            f"{counts}{rest}; {len(self.skipped)} files skipped)"
        )

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each class, in the order of the class map."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes.names, counts.tolist(), strict=True))

    def one_hot(self) -> NDArray[np.float32]:
        """Labels as one-hot rows, float32 (N, K)."""
        return one_hot(self.labels, len(self.classes))

    def subset(self, indices: ArrayLike) -> ImageDataset:
        """Data set of the images at these positions, in this order (copied, unless they are in a
        memory map).

        `indices` are integers (M,), negative ones counting from the end, or booleans (N,). The
        subset has the same classes and no `skipped` files: those belong to the whole.

        Raises
        ------
        TypeError, IndexError
            Not integers or booleans; a position that does not exist.
        """
        chosen = np.asarray(indices)
        if chosen.size == 0 and chosen.dtype.kind != "b":
            chosen = chosen.astype(np.intp)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
            raise TypeError(
                f"indices must be integers (M,) or booleans (N,), not {chosen.dtype} {chosen.shape}"
            )
        positions = np.arange(len(self))[chosen]
        return ImageDataset(
            images=chosen_images(self.images, positions),
            labels=self.labels[positions],
            classes=self.classes,
            preprocessing=self.preprocessing,
            paths=[self.paths[position] for position in positions],
            given_split=_at(self.given_split, positions),
            groups=_at(self.groups, positions),
            digests=_at(self.digests, positions),
            pixel_digests=_at(self.pixel_digests, positions),
        )

    def split(
        self, val: float = 0.15, test: float = 0.0, seed: int = 0
    ) -> tuple[ImageDataset, ImageDataset, ImageDataset]:
        """Training, validation and test part; always three, a part of fraction 0 is empty.

        Stratified: of the n images of each class round(test * n) and round(val * n) are set
        aside, at least one stays for training. The same pixels, and the images of one group, are
        never on two sides. Whatever the order of the files, the machine and the size asked for,
        the same files and seed give the same parts, and images of one class stay where they are
        when another class changes. See `split_notes` on each part.

        Data that came with a split (`given_split`) keep it: only a part that is wanted and wholly
        missing is taken from the training images. For a new split, set `given_split` to None.

        Raises
        ------
        DataError
            The split that came with the data leaves a class without training images.
        TypeError, ValueError
            Fractions outside 0 <= f < 1 or that sum to 1 or more; a seed that
            is no integer of 0..2**63-1.
        """
        keys = self.kept_together()
        sides, notes = split_sides(
            keys, self.labels, self.classes.names, val, test, seed, self.given_split
        )
        parts = [self.subset(np.flatnonzero(sides == side)) for side in (TRAIN, VAL, TEST)]
        for part in parts:
            part.split_notes = [*self.split_notes, *notes]
            part.given_split = None
        return parts[0], parts[1], parts[2]

    def kept_together(self) -> list[bytes]:
        """A key for every image; those of equal keys stay on one side of a split (same pixels, or
        members of one group)."""
        return keep_together(self.images, self.digests, self.groups, self.pixel_digests)

    def with_split(self, path: str | os.PathLike[str]) -> ImageDataset:
        """The same images with the split of a table with the columns ``path`` and ``split``.

        Such as the ``split.csv`` of a run. Images that the table lacks go where images of the same
        pixels or group are, and else to training; `split_notes` counts them, and the files of the
        table that are not among the images.

        Raises
        ------
        DataError
            The table is missing or wrong, or has none of the images.
        """
        parts, notes = listed_parts(path, self.paths, self.kept_together)
        return replace(self, given_split=parts, split_notes=[*self.split_notes, *notes])

    def with_audit(self, table: str | os.PathLike[str] | Corrections) -> ImageDataset:
        """The same images, labelled or left out (and in `skipped`) as a table of an audit says.

        Raises
        ------
        DataError
            As of `read_audit_csv`; or a class has no image any more.
        """
        if not isinstance(table, Corrections):
            table = read_audit_csv(table, self.paths, self.classes)
        labels, kept, left_out = corrected(table, self.paths, self.labels, self.classes)
        chosen = replace(self, labels=labels).subset(kept)
        return replace(chosen, skipped=[*self.skipped, *left_out], notes=self.notes)


def _at(values: list[Any] | None, positions: Any) -> list[Any] | None:
    return None if values is None else [values[position] for position in positions]
