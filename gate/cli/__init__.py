"""The command line: one file a command, one file an output format."""
