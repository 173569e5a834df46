"""What can go wrong while a fault is healed."""


class RecoveryError(Exception):
    """Any failure of `recovery`."""


class UnsafeFolderError(RecoveryError):
    """The folder is not one that may be emptied; the text says why."""
