"""`vecward`: the command line. Imports as little as it can until a command is known."""


def main() -> None:
    from daemon.cli.app import run

    run()
