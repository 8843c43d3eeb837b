"""One tenant's encoder process: model, knowledge base and index behind a private socket."""
