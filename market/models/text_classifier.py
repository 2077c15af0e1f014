"""The sentence encoder with a new layer on top, fine-tuned: from a listing's text to its label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn

AT_ONCE = 64  # texts per forward pass when nothing is learned


class TextClassifier(nn.Module):
    """An encoder's mean token vector, and a new linear layer on it.

    Takes over `encoder`, a SentenceTransformer as `load_text_encoder` gives it, and changes it. Of
    a text its first `tokens` tokens count. The word vectors and the first `frozen` layers stay as
    they were: a few thousand listings can spoil what they know, not add to it.
    """

    def __init__(
        self, encoder: Any, labels: int, *, tokens: int, frozen: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.tokens, self.tokenizer = tokens, encoder.tokenizer
        self.body = encoder[0].model
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.body.config.hidden_size, labels, device=self.body.device)
        still = [self.body.embeddings, *self.body.encoder.layer[:frozen]]
        # It has one for the first token alone, which the mean does not use.
        self.body.pooler = None
        for part in still:
            part.requires_grad_(False)

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """The numbers of each text's first tokens, the end mark among them."""
        if not texts:
            return []
        return self.tokenizer(texts, truncation=True, max_length=self.tokens)["input_ids"]

    def forward(self, batch: list[list[int]]) -> torch.Tensor:
        """Return (n, labels) logits for tokenized texts."""
        device = self.head.weight.device
        lengths = torch.tensor([len(tokens) for tokens in batch], device=device)
        filled = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
        numbers = torch.full(filled.shape, self.tokenizer.pad_token_id, device=device)
        numbers[filled] = torch.tensor([number for of in batch for number in of], device=device)
        found = self.body(input_ids=numbers, attention_mask=filled.long()).last_hidden_state
        mean = (found * filled[:, :, None]).sum(1) / lengths[:, None]
        return self.head(self.dropout(mean))

    def probabilities(self, products: pd.DataFrame) -> np.ndarray:
        """Return (n, labels) float32 for the columns name and description; NaN without a text."""
        texts = join_text(products)
        found = np.full((len(products), self.head.out_features), np.nan, np.float32)
        rows = np.flatnonzero(texts != "")
        tokens = dict(zip(rows, self.tokenize(texts.iloc[rows].tolist()), strict=True))
        # Texts of one length together: none is padded much.
        rows = np.array(sorted(rows, key=lambda row: len(tokens[row])), dtype=int)
        learning = self.training
        self.eval()
        with torch.inference_mode():
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE]
                found[some] = self([tokens[row] for row in some]).softmax(1).cpu().numpy()
        self.train(learning)
        return found

    def learned(self) -> dict[str, nn.Parameter]:
        """The weights that a training changes, so none of word vectors and frozen layers."""
        return {name: of for name, of in self.named_parameters() if of.requires_grad}

    def save(self, path: Path) -> None:
        """Write what was learned as safetensors; the rest comes with the encoder's package."""
        save_file(
            {name: of.detach().cpu().contiguous() for name, of in self.learned().items()}, path
        )

    def load(self, path: Path) -> TextClassifier:
        """Take the weights that `save` wrote for such a classifier, to predict with."""
        saved = load_file(path)
        if set(saved) != set(self.learned()):
            raise ValueError(f"{path} holds the weights of another classifier")
        self.load_state_dict(saved, strict=False)
        return self.eval().requires_grad_(False)


def join_text(products: pd.DataFrame) -> pd.Series:
    """A listing's text as the encoder reads it; "" for one without any."""
    both = products["name"] + "\n" + products["description"]
    return both.where(both != "\n", "")
