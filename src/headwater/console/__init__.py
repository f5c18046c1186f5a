"""The web pages: static files, no build step; they use only what any viewer can reach."""
