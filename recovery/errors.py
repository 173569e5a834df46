"""What can go wrong while a fault is healed."""


class RecoveryError(Exception):
    """Any failure of `recovery`."""


class UnknownActionError(RecoveryError, ValueError):
    """A name that is no action's; the text says which, and for which type of error it was named."""


class UnsafeFolderError(RecoveryError):
    """The folder is not one that may be emptied; the text says why."""
