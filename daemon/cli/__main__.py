"""`python -m daemon.cli`: as `vecward`, where the script is not installed."""

from daemon.cli import main

main()
