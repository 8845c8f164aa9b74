"""The reference of opbx, made from the program: `make reference` writes it.

It reads the command tree, the table of settings and the tables of errors, variables and exit
codes. `tests/test_reference.py` compares what is published with what would be made now.
"""
