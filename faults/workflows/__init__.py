"""The scenarios and the promises of each workflow."""
