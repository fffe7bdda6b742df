"""The verbs: ingest, freeze, sweep, evaluate, predict, publish, label. Spark lives here."""
