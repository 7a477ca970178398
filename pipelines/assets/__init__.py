"""The assets: two for each school, three for each supplier. Thin: they fetch, call the heart, and tell."""
