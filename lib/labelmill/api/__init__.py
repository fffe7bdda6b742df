"""The public face: connections, results and how a notebook shows them. Calls what the jobs call."""
