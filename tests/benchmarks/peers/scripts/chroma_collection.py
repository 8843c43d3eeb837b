"""chromadb, kept on disk as vecward keeps its own, with its sentence-transformers function."""

import sys
import tempfile

import chromadb
import serving
from chromadb.config import Settings
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction


class Chroma:
    def __init__(self, model, folder) -> None:
        self.client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
        self.most = self.client.get_max_batch_size()
        self.function = SentenceTransformerEmbeddingFunction(model_name=model)
        self.collection = None

    def make(self):
        if self.collection is not None:
            self.client.delete_collection("peers")
        self.collection = self.client.create_collection(
            "peers", embedding_function=self.function, configuration={"hnsw": {"space": "cosine"}}
        )

    def add(self, texts):
        for start in range(0, len(texts), self.most):
            part = texts[start : start + self.most]
            self.collection.add(ids=[str(start + at) for at in range(len(part))], documents=part)

    def query(self, texts):
        self.collection.query(query_texts=texts, n_results=5)

    def do_index(self, texts):
        documents = serving.read_texts(texts)
        self.make()
        seconds = serving.timed(self.add, documents)
        return {"per_s": len(documents) / seconds, "seconds": seconds}

    def do_one_client(self, texts, seconds):
        return serving.one_after_the_other(lambda text: self.query([text]), texts, seconds)

    def do_together(self, texts, clients, seconds):
        return serving.in_batches(self.query, texts, clients, seconds)

    def do_edit(self, texts):
        edits = list(enumerate(texts))
        return serving.one_after_the_other(
            lambda edit: self.collection.upsert(ids=[str(edit[0])], documents=[edit[1]]), edits, 3600
        )


with tempfile.TemporaryDirectory() as folder:
    serving.serve(Chroma(sys.argv[1], folder))
