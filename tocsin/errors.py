"""What can go wrong while Tocsin is run."""


class OperatorError(Exception):
    """Something the operator can mend; the text says what, and how."""


class SupervisorDiedError(OperatorError):
    """The process that keeps the programs running was killed."""
