"""Reading, decoding, labelling and splitting of images. Imports nothing of training.

    dataset.py      `ImageDataset`: images, labels, and where they came from
    sources/        a folder, a table or arrays, as paths, class names and parts
    reading/        many files to one array, and the cache
    labels/         classes and the split
    pictures/       one picture file to pixels

Each imports only what stands below it, and the small files beside them.
"""

from __future__ import annotations

from nncore.data.augmentation import Augmentation
from nncore.data.dataset import ImageDataset
from nncore.data.labels.class_map import ClassMap, sort_class_names
from nncore.data.labels.corrections import Corrections
from nncore.data.labels.encoding import from_one_hot, one_hot
from nncore.data.pictures.decode import (
    BrokenImageError,
    NotAnImageError,
    UnusableImageError,
    decode_image,
)
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.load import load_images
from nncore.data.reading.settings import Reading
from nncore.data.skipped import SkippedFile, write_skipped_csv
from nncore.data.sources.folder import find_images, list_images
from nncore.data.sources.split_csv import write_split_csv

__all__ = [
    "Augmentation",
    "BrokenImageError",
    "ClassMap",
    "Corrections",
    "ImageDataset",
    "NotAnImageError",
    "Preprocessing",
    "Reading",
    "SkippedFile",
    "UnusableImageError",
    "decode_image",
    "find_images",
    "from_one_hot",
    "list_images",
    "load_images",
    "one_hot",
    "sort_class_names",
    "write_skipped_csv",
    "write_split_csv",
]
