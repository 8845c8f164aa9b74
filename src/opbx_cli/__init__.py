"""opbx: administer the Cloudonix side of an OPBX organisation from a terminal.

This package is private: it is the program `opbx`, not a library. Its modules, functions and classes
change with any version, without a word in the changelog. Scripts run the commands, and read their
JSON and exit codes: these are promised.
"""

__version__ = "0.2.0"
