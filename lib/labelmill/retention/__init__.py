"""What leaves the catalogue: chosen by `labelmill.domain.retention`, removed so that a kill harms nothing."""
