"""The sentence encoder with a new linear layer, to be fine-tuned: from texts to logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from market.core.errors import MarketError
from market.models.heads import linear_head

TEXTS_PER_PASS = 64  # in prediction


class TextNetwork(nn.Module):
    """An encoder's mean token vector, and a new linear layer (`head`) on it.

    Parameters
    ----------
    encoder
        A SentenceTransformer as `load_text_encoder` returns it; it is modified.
    labels
        Number of outputs.
    tokens
        Only the first `tokens` tokens of a text are read.
    frozen
        Number of lower layers that stay as pretrained, together with the word vectors: a few
        thousand listings would rather damage than improve them.
    dropout
        Of the vector that the new layer reads, in training.
    """

    def __init__(
        self, encoder: Any, labels: int, *, tokens: int, frozen: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.tokens, self.frozen, self.tokenizer = tokens, frozen, encoder.tokenizer
        self.body = encoder[0].model
        self.dropout = nn.Dropout(dropout)
        self.head = linear_head(self.body.config.hidden_size, labels, self.body.device)
        # It reads the first token only, and the mean does not need it.
        self.body.pooler = None
        for part in (self.body.embeddings, *self.body.encoder.layer[:frozen]):
            part.requires_grad_(False)

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Return the token numbers of each text, at most `tokens`, including the end mark."""
        if not texts:
            return []
        return self.tokenizer(texts, truncation=True, max_length=self.tokens)["input_ids"]

    def forward(self, texts: list[list[int]]) -> torch.Tensor:
        """Return logits (n, labels) for tokenized texts."""
        device = self.head.weight.device
        lengths = torch.tensor([len(tokens) for tokens in texts], device=device)
        mask = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
        numbers = torch.full(mask.shape, self.tokenizer.pad_token_id, device=device)
        numbers[mask] = torch.tensor([token for text in texts for token in text], device=device)
        vectors = self.body(input_ids=numbers, attention_mask=mask.long()).last_hidden_state
        mean = (vectors * mask[:, :, None]).sum(1) / lengths[:, None]
        return self.head(self.dropout(mean))

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return (n, labels) float32; NaN for an empty text. The mode of training is kept."""
        probabilities = np.full((len(texts), self.head.out_features), np.nan, np.float32)
        rows = [row for row, text in enumerate(texts) if text]
        tokens = dict(zip(rows, self.tokenize([texts[row] for row in rows]), strict=True))
        # Texts of similar length together need little padding.
        rows.sort(key=lambda row: len(tokens[row]))
        training = self.training
        self.eval()
        with torch.inference_mode():
            for start in range(0, len(rows), TEXTS_PER_PASS):
                batch = rows[start : start + TEXTS_PER_PASS]
                logits = self([tokens[row] for row in batch])
                probabilities[batch] = logits.softmax(1).cpu().numpy()
        self.train(training)
        return probabilities

    def trained_weights(self) -> dict[str, nn.Parameter]:
        """Return the weights that training changes, by name: none of the frozen ones."""
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def save(self, path: Path) -> None:
        """Write the trained weights as safetensors; the frozen ones come with the encoder."""
        weights = self.trained_weights()
        state = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
        save_file(state, path)

    def load(self, path: Path) -> TextNetwork:
        """Take over the weights that `save` wrote, for inference; return itself.

        Raises
        ------
        MarketError
            If the file holds other weights, because other layers were frozen.
        """
        state = load_file(path)
        if set(state) != set(self.trained_weights()):
            raise MarketError(
                f"{path} holds the weights of another network: run `dvc repro train_text`"
            )
        self.load_state_dict(state, strict=False)
        return self.eval().requires_grad_(False)
