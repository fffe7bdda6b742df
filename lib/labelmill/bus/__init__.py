"""The bus: what a message is (`envelope`, `payload`) and how it travels (`kafka`)."""
