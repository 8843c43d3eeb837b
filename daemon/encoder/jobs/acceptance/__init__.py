"""The tenant's side of `vecward doctor --gpu`: a model made on the host, its vectors judged, the library measured."""
