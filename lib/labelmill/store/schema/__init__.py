"""What is stored: tables, columns and rows, declared once."""
