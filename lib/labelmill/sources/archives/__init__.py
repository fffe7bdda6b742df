"""Images in tar and zip archives."""
