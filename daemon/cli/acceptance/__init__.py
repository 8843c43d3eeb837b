"""`vecward doctor --gpu`: a bounded run that proves a host's GPU before customers are put on it."""
