"""Cold partitions: which ones they are, and the steps and the trial of archiving them."""
