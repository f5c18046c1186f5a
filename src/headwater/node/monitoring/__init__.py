"""What is measured of streams, and how it is read."""
