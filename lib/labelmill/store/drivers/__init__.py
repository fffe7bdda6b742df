"""One driver a file, each a way to reach Kudu's rows; `labelmill.store.client` chooses."""
