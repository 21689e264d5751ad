"""The command line, one file a group of commands; each is imported only when it is used."""
