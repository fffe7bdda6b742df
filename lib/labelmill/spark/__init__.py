"""Sessions, jobs, progress, reports, errors of workers on the driver, and worker processes."""
