"""Every sentence of the console, by the tab that says it: what a key means in English and in Chinese.

`{placeholders}` are the same in both languages. A test proves that no key is missing, unused, said twice or different
in its placeholders.
"""

from console.messages import audit, errors, frame, history, knowledge, search, status, table, vectors

PARTS = (frame, search, knowledge, table, history, vectors, audit, status, errors)
MESSAGES: dict[str, tuple[str, str]] = {key: both for part in PARTS for key, both in part.MESSAGES.items()}
