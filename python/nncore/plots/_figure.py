"""What all plots share: colours, one look whatever the user's settings, and saving.

Nothing here touches pyplot: a `Figure` is made directly, so no window opens, no figure piles up
in the user's session, and no display is needed.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nncore.errors import MissingExtraError
from nncore.files.atomic import atomic_write_bytes
from nncore.files.own_folders import SOFTWARE
from nncore.plots._fonts import drawable, families_for, matplotlib_is_quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Okabe and Ito's palette: the pairs used together differ for every kind of colour vision.
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
SKY = "#56B4E9"
GREY = "#6E6E6E"

DPI = 120
_ELLIPSIS = "…"
# By which a chart among pictures is known. Dates and versions would make equal plots differ.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": SOFTWARE},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# rcParams are global to the process: two threads that both set and restore them would leave the
# one's settings behind.
_RC_LOCK = threading.RLock()


def checked_format(path: str | os.PathLike[str] | None) -> str | None:
    """The format that the extension of `path` asks for; ValueError before any work is done."""
    if path is None:
        return None
    extension = Path(path).suffix.lower().removeprefix(".")
    if extension not in _METADATA:
        known = ", ".join(f".{name}" for name in _METADATA)
        raise ValueError(
            f"cannot write a plot to {os.fspath(path)!r}: its name must end in {known}"
        )
    return extension


@contextlib.contextmanager
def house_style(names: Iterable[str] = ()) -> Iterator[None]:
    """Matplotlib's defaults and our changes inside, the user's settings again afterwards.

    `names` are what is drawn of the user's words: fonts are chosen that have their letters.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError(
            f"plots need matplotlib, which cannot be imported ({error}): "
            f"run `python -m pip install matplotlib`"
        ) from error

    ours = {
        "font.family": families_for(names),
        "font.size": 10.0,
        "axes.titlesize": 11.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#E4E4E4",
        "legend.frameon": False,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.1,
        # A million iterations in one path overflow the rasterizer; in chunks they do not.
        "agg.path.chunksize": 10_000,
        "svg.hashsalt": "nncore",
    }
    with _RC_LOCK, style.context(["default", ours]), matplotlib_is_quiet():
        yield


def new_figure(width: float, height: float, fixed_aspect: bool = False) -> Figure:
    """An empty figure of `width` by `height` inches with an Agg canvas, inside `house_style`.

    `fixed_aspect` is for axes whose shape is given, as that of an image is.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout: Literal["compressed", "constrained"] = "compressed" if fixed_aspect else "constrained"
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike[str] | None) -> None:
    """Write the figure atomically in the format of the extension; equal plots, equal bytes."""
    extension = checked_format(path)
    if path is None or extension is None:
        return
    buffer = io.BytesIO()
    figure.savefig(buffer, format=extension, dpi=DPI, metadata=_METADATA[extension])
    atomic_write_bytes(path, buffer.getvalue())


def as_bytes(pictures: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 as it is; of other numbers the smallest becomes 0, the largest 255."""
    if pictures.dtype == np.uint8:
        return pictures
    low, high = float(pictures.min()), float(pictures.max())
    return np.rint((pictures - low) * (255 / (high - low or 1))).astype(np.uint8)


def shown(text: str, most: int) -> str:
    """A name as it can be drawn: unprintable characters replaced, those that no font has told by
    their code points, the middle of a long one cut.

    The middle, since names of one data set often share their beginning and differ at the end.
    A dollar sign is escaped: two of them would be read as a formula.
    """
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    clean = drawable(clean)
    if len(clean) > most:
        tail = (most - 1) // 2
        clean = clean[: most - 1 - tail] + _ELLIPSIS + clean[len(clean) - tail :]
    return clean.replace("$", r"\$")


def whole_page(figure: Figure) -> Axes:
    """Axes over all of the figure, nothing around them, in inches from its upper left corner."""
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    width, height = figure.get_size_inches()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return axes


def draw_picture(
    axes: Axes,
    picture: NDArray[np.uint8],
    extent: tuple[float, float, float, float] | None = None,
) -> None:
    """The pixels of a picture (H, W, 1) or (H, W, 3), each a square.

    `extent` is left, right, bottom and top of its place; without one it has the axes to itself.
    """
    gray = picture.shape[2] == 1
    axes.imshow(
        picture[..., 0] if gray else picture,
        cmap="gray" if gray else None,
        vmin=0,
        vmax=255,
        interpolation="nearest",
        extent=extent,
    )


def width_in_pixels(text: Text) -> float:
    """Width of `text` as it will be drawn; letters, not their number, decide it."""
    return float(text.get_window_extent().width)


def scale_loss_axis(axes: Axes, values: NDArray[np.float64]) -> None:
    """A logarithmic loss axis where a linear one would flatten most of the curve."""
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and finite.max() > 1000 * finite.min():
        axes.set_yscale("log")


def whole_number_axis(axes: Axes, first: int, last: int) -> None:
    """An x axis from `first` to `last` whose ticks are whole numbers, also for a single one."""
    from matplotlib.ticker import MaxNLocator

    margin = max(0.5, 0.02 * (last - first))
    axes.set_xlim(first - margin, last + margin)
    locator = MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    ticks = [tick for tick in locator.tick_values(first, last) if first <= tick <= last]
    # A locator that likes round numbers skips the first epoch; show it unless the labels touch.
    if not ticks or (len(ticks) > 1 and ticks[0] - first > 0.5 * (ticks[1] - ticks[0])):
        ticks = [first, *ticks]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])


def say(axes: Axes, text: str, size: float = 10.0) -> None:
    """A sentence in the middle of axes that have nothing to show, so no numbers on the left."""
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=GREY,
        fontsize=size,
    )


def legend_below(axes: Axes) -> None:
    """Under the axes, where it hides no part of any curve."""
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=9, handlelength=1.8
    )
