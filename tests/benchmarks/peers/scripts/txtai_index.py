"""txtai with its defaults, texts kept beside the vectors as vecward keeps them."""

import sys

import serving
from txtai import Embeddings


class Txtai:
    def __init__(self, model) -> None:
        self.embeddings = Embeddings(path=model, content=True)

    def do_index(self, texts):
        documents = serving.read_texts(texts)
        seconds = serving.timed(self.embeddings.index, documents)
        return {"per_s": len(documents) / seconds, "seconds": seconds}

    def do_one_client(self, texts, seconds):
        return serving.one_after_the_other(lambda text: self.embeddings.search(text, 5), texts, seconds)

    def do_together(self, texts, clients, seconds):
        return serving.in_batches(lambda part: self.embeddings.batchsearch(part, 5), texts, clients, seconds)

    def do_edit(self, texts):
        edits = [(at, text) for at, text in enumerate(texts)]
        return serving.one_after_the_other(lambda edit: self.embeddings.upsert([edit]), edits, 3600)


serving.serve(Txtai(sys.argv[1]))
