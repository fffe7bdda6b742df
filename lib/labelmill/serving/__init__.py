"""Pages for people: what the catalogue holds, as pictures."""
