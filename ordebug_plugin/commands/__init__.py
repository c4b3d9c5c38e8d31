"""The commands of `ordebug`, one module each: options in, exit code out."""
