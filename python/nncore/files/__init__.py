"""Files and folders: whole or not at all, regular or refused, nncore's own told from people's."""
