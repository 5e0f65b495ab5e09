"""The exported C, with a program around it that reads images and writes probabilities."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from folders import NotInstalled
from numpy.typing import NDArray

from export_targets.networks import Case

F32 = NDArray[np.float32]
_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
_MAIN = """\
#include <stdio.h>
#include "net.h"

int main(void)
{
    static uint8_t image[NET_HEIGHT * NET_WIDTH * NET_CHANNELS];
    static float probabilities[NET_CLASSES];
    while (fread(image, 1, sizeof image, stdin) == sizeof image) {
        net_predict(image, probabilities);
        fwrite(probabilities, 1, sizeof probabilities, stdout);
    }
    return 0;
}
"""


def with_gcc(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    return _run(case, images, folder, ["gcc", "-O3"])


def with_clang(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    return _run(case, images, folder, ["clang", "-O3"])


def with_sanitizers(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    compiler = ["gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    return _run(case, images, folder, compiler)


def for_aarch64(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    return _run(case, images, folder, ["aarch64-linux-gnu-gcc", "-O2"], emulator)


def for_armhf(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    emulator = ["qemu-arm", "-L", "/usr/arm-linux-gnueabihf"]
    return _run(case, images, folder, ["arm-linux-gnueabihf-gcc", "-O2"], emulator)


def _run(
    case: Case,
    images: NDArray[np.uint8],
    folder: Path,
    compiler: Sequence[str],
    emulator: Sequence[str] = (),
) -> F32:
    for program in (compiler[0], *emulator[:1]):
        if shutil.which(program) is None:
            raise NotInstalled(program)
    case.model.export(folder / "net.c")
    (folder / "main.c").write_text(_MAIN, encoding="ascii")
    files = [folder / "main.c", folder / "net.c", "-o", folder / "net", "-lm"]
    subprocess.run([*compiler, *_FLAGS, *files], check=True)
    done = subprocess.run(
        [*emulator, os.fspath(folder / "net")],
        input=images.tobytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return np.frombuffer(done.stdout, "<f4").reshape(len(images), -1)
