"""Errors that the `tenure` command shows as one sentence; the exit status follows sysexits."""


class OpsError(Exception):
    """Something failed; the text is the sentence for the operator."""

    exit_code = 1


class WrongUsage(OpsError):
    """What was typed cannot be understood."""

    exit_code = 2


class NotFound(OpsError):
    """An id or name is not known; the text suggests what may be meant."""

    exit_code = 3


class CheckFailed(OpsError):
    """A check that was asked for did not hold."""

    exit_code = 4


class Unavailable(OpsError):
    """No stack runs, or a part of it does not answer."""

    exit_code = 69


class TryAgain(OpsError):
    """No answer in time; asking again is safe."""

    exit_code = 75


class WrongSetting(OpsError):
    """Only a changed setting can cure this."""

    exit_code = 78
