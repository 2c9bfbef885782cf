"""`python -m ops.watch`: the watch as a process."""

from ops.watch.runtime import run_watch

if __name__ == "__main__":
    run_watch()
