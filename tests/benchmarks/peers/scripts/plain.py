"""sentence-transformers and FAISS in one process: the yardstick, and the tutorial that rebuilds at each edit."""

import sys

import faiss
import serving
from sentence_transformers import SentenceTransformer


class Plain:
    def __init__(self, model) -> None:
        self.model = SentenceTransformer(model, device="cpu")
        self.texts = []
        self.index = None

    def encode(self, texts):
        """Encode texts; the library's `encode` sorts by length itself; 32 is its own default and the fastest here."""
        return self.model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)

    def search(self, text):
        self.index.search(self.encode([text]), 5)

    def rebuild(self, texts):
        vectors = self.encode(texts)
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)

    def do_index(self, texts):
        self.texts = serving.read_texts(texts)
        seconds = serving.timed(self.rebuild, self.texts)
        return {"per_s": len(self.texts) / seconds, "seconds": seconds}

    def do_bulk(self, texts):
        return {"per_s": len(texts) / serving.timed(self.encode, texts)}

    def do_one_client(self, texts, seconds):
        return serving.one_after_the_other(self.search, texts, seconds)

    def do_encode_one(self, texts):
        return serving.one_after_the_other(lambda text: self.encode([text]), texts, 3600)

    def do_together(self, texts, clients, seconds):
        return serving.in_batches(lambda part: self.index.search(self.encode(part), 5), texts, clients, seconds)

    def do_edit(self, texts):
        """The tutorial's edit: encode all, index all."""
        self.texts[0] = texts[0]
        return {"ms": [serving.timed(self.rebuild, self.texts) * 1000]}


serving.serve(Plain(sys.argv[1]))
