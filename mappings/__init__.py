"""Who may get what: profiles, agreements, field sets, and the projection of a roster on them. Pure."""
