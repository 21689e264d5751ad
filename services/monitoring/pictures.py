"""What is measured of pictures beside their pixels: six figures a picture. Pure."""

import numpy as np

from services.monitoring.series import Figures

NAMES = ("brightness", "contrast", "edges", "centre across", "centre down", "saturated")
_CHANNELS = 4
"""Colours, and what is see-through; a side this short is not one of the picture."""


def is_one(values: Figures) -> bool:
    """Return whether a row is a picture: two sides, or three with few channels first or last."""
    if values.ndim == 2:
        return bool(min(values.shape) > 1)
    return values.ndim == 3 and min(values.shape[0], values.shape[2]) <= _CHANNELS


def measured(picture: Figures) -> Figures:
    """Return the figures that ``NAMES`` calls.

    Brightness and contrast: mean and standard deviation, in the pixels' unit. Edges: mean step to
    the next pixel across and down, in that unit. Centres: of the brightness above the darkest
    pixel, 0 (left, top) to 1. Saturated: the share of pixels as bright as the brightest, 0 to 1.

    Args:
        picture: Rows × columns, with channels first or last; gaps are NaN.
    """
    grey = np.nan_to_num(_grey(picture))
    above = grey - grey.min()
    whole = above.sum()
    down, across = (np.linspace(0.0, 1.0, size) for size in grey.shape)
    centres = (
        (float(above.sum(axis=0) @ across / whole), float(above.sum(axis=1) @ down / whole))
        if whole > 0
        else (0.5, 0.5)
    )
    edges = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    saturated = (grey >= grey.max()).mean()
    return np.array([grey.mean(), grey.std(), edges / 2, *centres, saturated])


def _grey(picture: Figures) -> Figures:
    if picture.ndim == 2:
        return picture
    axis = 2 if picture.shape[2] <= _CHANNELS else 0
    grey: Figures = picture.mean(axis=axis)
    return grey
