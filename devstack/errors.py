"""The one exception that the local stack shows to people."""

EXIT_DEPENDENCY = 69
EXIT_CONFIGURATION = 78


class DevstackError(Exception):
    """A sentence that says what is wrong and what to do; `exit_code` follows sysexits."""

    exit_code = EXIT_DEPENDENCY


class DevstackConfigurationError(DevstackError):
    """The same, for something that only a changed setting can cure."""

    exit_code = EXIT_CONFIGURATION
