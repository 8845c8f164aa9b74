"""What a shell offers at a Tab. It runs at each one, so it loads no command and no HTTP."""
