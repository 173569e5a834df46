"""The JSON files: appended to, sealed, compressed, removed, found again and followed; the journal of what is safe."""
