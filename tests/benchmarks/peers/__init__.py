"""vecward beside what people would use instead: the same model, the same real texts, in one run."""
