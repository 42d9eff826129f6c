"""Every fault at every call to AWS, and the promises that hold nevertheless."""
