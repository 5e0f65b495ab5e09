"""Pictures of training and evaluation, drawn with matplotlib and without pyplot.

Every function returns the `matplotlib.figure.Figure` (`gradient_descent` the weights too, and
`heat_overlay` and `enlarged` pixels) and, if `path` is given, writes it as PNG, SVG or PDF by its
extension. Equal input gives equal bytes.
Matplotlib is imported when the first plot is drawn.
"""

from __future__ import annotations

from nncore.plots._answers import answers
from nncore.plots._augmented import augmented
from nncore.plots._confusion import confusion_matrix
from nncore.plots._descent import Descent, gradient_descent
from nncore.plots._heat import enlarged, heat_overlay
from nncore.plots._heat_maps import heat_maps
from nncore.plots._learning_rates import learning_rates
from nncore.plots._mistakes import mistakes
from nncore.plots._sheet import contact_sheet
from nncore.plots._training import curves, iteration_loss

__all__ = [
    "Descent",
    "answers",
    "augmented",
    "confusion_matrix",
    "contact_sheet",
    "curves",
    "enlarged",
    "gradient_descent",
    "heat_maps",
    "heat_overlay",
    "iteration_loss",
    "learning_rates",
    "mistakes",
]
