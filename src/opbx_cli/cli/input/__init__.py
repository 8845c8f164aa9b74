"""Where values come from: options, and questions at a terminal."""
