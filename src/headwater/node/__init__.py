"""One running process: settings, sockets, live streams. The only place where stages meet."""
