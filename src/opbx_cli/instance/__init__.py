"""OPBX itself: its API for settings, typed."""
