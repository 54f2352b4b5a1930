"""What export.py is made of: contracts, observers of the public package, and the writer of bundles."""

VERSION = "1"  # of the exporter; written into every bundle
