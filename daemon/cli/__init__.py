"""The command line, `vecward`; it imports as little as it can until a command is known."""


def main() -> None:
    from daemon.cli.app import run

    run()
