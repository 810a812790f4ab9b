"""What all judges share: rights and verdicts, entries and texts, and what a connection remembers. It knows no API."""
