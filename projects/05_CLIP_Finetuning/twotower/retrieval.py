"""Retrieval metrics, both ways."""

import numpy as np


def first_ranks(similarity: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Return, for each row, the rank (from 1) of its best relevant column.

    Ties count against: a column of equal similarity that is not relevant ranks before.
    Rows without a relevant column are left out.
    """
    asked = relevant.any(axis=1)
    similarity, relevant = similarity[asked], relevant[asked]
    best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((similarity >= best) & ~relevant).sum(axis=1)


def recall_at(ranks: np.ndarray, k: int) -> float:
    """Return the share of queries with a relevant answer among the first `k`."""
    return float((ranks <= k).mean())


def metrics(similarity: np.ndarray, relevant: np.ndarray, prefix: str) -> dict[str, float]:
    """Return recall at 1 and 5 and the median rank for rows (images) and columns (texts)."""
    found = {}
    for way, ranks in (
        ("image_to_text", first_ranks(similarity, relevant)),
        ("text_to_image", first_ranks(similarity.T, relevant.T)),
    ):
        found[f"{prefix}_{way}_recall_at_1"] = recall_at(ranks, 1)
        found[f"{prefix}_{way}_recall_at_5"] = recall_at(ranks, 5)
        found[f"{prefix}_{way}_median_rank"] = float(np.median(ranks))
    recalls = [value for name, value in found.items() if "_recall_" in name]
    return {f"{prefix}_mean_recall": float(np.mean(recalls)), **found}
