"""OPBX as a neighbour of the sandbox's Cloudonix: its settings, and the callbacks that it takes.

Facts: OPBX's public source (state of January 2026) and its documentation of July 2026. Where only
January is described, July does the same here.
"""
