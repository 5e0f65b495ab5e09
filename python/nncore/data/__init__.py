"""Reading, decoding, labelling and splitting of images. Imports nothing of training."""

from __future__ import annotations

from nncore.data.augmentation import Augmentation
from nncore.data.class_map import ClassMap, sort_class_names
from nncore.data.dataset import ImageDataset
from nncore.data.decode import BrokenImageError, NotAnImageError, UnusableImageError, decode_image
from nncore.data.encoding import from_one_hot, one_hot
from nncore.data.folder import find_images, list_images
from nncore.data.loading import load_images
from nncore.data.preprocessing import Preprocessing
from nncore.data.skipped import SkippedFile, write_skipped_csv
from nncore.data.table import write_split_csv

__all__ = [
    "Augmentation",
    "BrokenImageError",
    "ClassMap",
    "ImageDataset",
    "NotAnImageError",
    "Preprocessing",
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
