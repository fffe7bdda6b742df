"""A named slice is shown, checked and laid out as a contact sheet."""
