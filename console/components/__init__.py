"""What the pages draw: HTML from view models, everything in it escaped."""
