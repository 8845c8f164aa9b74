"""The way back: what `validate` did to a domain, undone."""
