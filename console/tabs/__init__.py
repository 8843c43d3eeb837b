"""The tabs: each a function that builds its part of the page and wires it (the list of them: console/frame.py)."""
