"""The whole service on one machine: start the local AWS, deploy to it, run the demo."""
