"""Parts of the page: HTML made from view models, everything in it escaped."""
