"""The server of `nncore serve`, with the engine that is asked for behind it."""
