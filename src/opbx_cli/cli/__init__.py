"""The command line: one file per command, one App, one Ui, one error boundary."""
