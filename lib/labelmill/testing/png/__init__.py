"""PNG files made and damaged for tests."""
