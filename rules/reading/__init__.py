"""Bytes of log files: opened whatever they are packed in, read forward in one reused window, followed as they grow."""
