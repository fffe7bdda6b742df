"""Sessions, jobs, progress, reports, errors that cross to the driver, and worker processes."""
