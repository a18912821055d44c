"""One small file per command, named as the command; loaded when it is called."""
