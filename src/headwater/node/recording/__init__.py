"""Recordings of streams: made, kept, shown and read back."""
