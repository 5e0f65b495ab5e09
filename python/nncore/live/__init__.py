"""A training followed in a browser: a page on this machine that shows it while it runs.

- `callback`: `Live`, which looks on while `fit` trains and writes what it sees on a `Board`.
- `board`: what the page shows, as numbered sections of plain numbers and words.
- `server`: who is let in and how many at once; `requests`: one request; `events`: one page that is
  kept up to date.
- `samples`: some pictures and what the model says of them.

The page itself is a template of `nncore.report`. Whatever happens here, the training goes on.
"""

from __future__ import annotations

from nncore.live.callback import Live

__all__ = ["Live"]
