"""The Lambda functions, by workflow, and what they share."""

import gc

# The import of a handler creates about 30,000 objects that all stay. By default, Python looks for
# garbage among them after each 700, which takes a twelfth of the import.
gc.set_threshold(50_000)
