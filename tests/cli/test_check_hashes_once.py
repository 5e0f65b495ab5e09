"""`nncore check` knows the pixels' digests from reading and does not compute them again."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from PIL import Image

from nncore.cli import main


def test_every_image_is_hashed_once(tmp_path, monkeypatch, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    pixels[7] = pixels[1]
    for number, image in enumerate(pixels):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    hashed = []
    blake2b = hashlib.blake2b

    def counting(data=b"", **options):
        hashed.append(isinstance(data, np.ndarray))
        return blake2b(data, **options)

    monkeypatch.setattr(hashlib, "blake2b", counting)
    assert main(["check", str(tmp_path / "photos"), "--json", "--quiet"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["images"], facts["duplicates"]) == (12, 1)
    assert sum(hashed) == 12
