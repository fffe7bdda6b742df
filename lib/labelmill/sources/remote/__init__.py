"""Images behind URIs, through Hadoop or pyarrow."""
