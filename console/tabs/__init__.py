"""The four tabs: each a function that builds its part of the page and wires it."""
