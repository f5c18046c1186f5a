"""What each schema version changed. A released file never changes again."""
