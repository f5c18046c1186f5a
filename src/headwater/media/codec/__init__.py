"""What the bits of H.264 and AAC say, as far as carrying them needs it."""
