"""A model behind HTTP: a page for people and a JSON API for programs; extra `[serve]`.

- `app`: the ASGI application, made of `gate` (who may ask), `endpoints` (what is answered) and
  `openapi` (the same in writing)
- `uploads`, `multipart`: from a request's body to pictures, within `limits` and `admission`
- `workers`: pictures that come together are decoded and computed together
- `models`: the model that answers, and another one when its file changes
- `connections`, `server`: sockets, signals, and clients that say nothing
"""
