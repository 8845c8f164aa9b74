"""What opbx does, apart from any terminal: plain values in, frozen dataclasses out."""
