"""`vecward bench`: a tenant's encoder measured on a copy, inside the tenant's own sandbox."""
