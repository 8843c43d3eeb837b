"""The knowledge tab: entries as lines or as a table, files, history, and a search to try them out."""
