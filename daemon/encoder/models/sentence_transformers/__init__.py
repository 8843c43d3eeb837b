"""The backend `sentence-transformers`: any model of that library, on the CPU or on the one GPU that the tenant has."""
