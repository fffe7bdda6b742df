"""Row drivers, one folder each; `labelmill.store.connect` chooses one."""
