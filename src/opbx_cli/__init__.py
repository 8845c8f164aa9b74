"""opbx: administer the Cloudonix side of an OPBX organisation from a terminal."""

__version__ = "0.1.0"
