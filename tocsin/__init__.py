"""How Tocsin is run: the command line, the embedded Redis, the start-up checks."""
