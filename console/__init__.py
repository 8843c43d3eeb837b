"""The console: pages only; everything it shows or does goes through `daemon.client`."""
