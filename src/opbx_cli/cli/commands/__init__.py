"""The commands, one file for each: parse, call one operation, show one result."""
