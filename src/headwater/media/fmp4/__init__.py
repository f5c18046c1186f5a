"""Fragmented MP4: one init segment per track set, one fragment per part."""
