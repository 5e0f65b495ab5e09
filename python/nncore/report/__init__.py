"""Pages made of finished numbers: one self-contained HTML file each, that asks nobody for anything.

- `run_page`: one training or evaluation, of what its folder keeps (`kept`, `provenance`): what was
  `measured`, what was `trained`, `pictures` with `heat` maps; `comparison`: several side by side.
- `page`: from a template in `templates/` to a page, with styles and a content security policy.
- `words`: names, paths and messages as they can be shown: what they hold is never markup.
- `thumbnails`: pictures as data URIs; `charts/`: from numbers to the geometry of an SVG and to the
  table beside it, which `templates/charts.html` draws.

Nothing is trained or measured here.
"""
