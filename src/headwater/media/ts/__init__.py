"""MPEG-2 transport stream: every part starts with its tables and stands alone."""
