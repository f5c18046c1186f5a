"""What is live: each stream from its publishers to its renditions, and its session."""
