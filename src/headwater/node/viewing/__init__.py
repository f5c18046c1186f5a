"""Who may watch: tokens, policies and countries, looked up."""
