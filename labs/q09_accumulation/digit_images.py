"""1,797 real handwritten digits of 8 by 8 pixels, as `digits.csv.gz` beside this file. No torch.

Optical Recognition of Handwritten Digits, test part, by E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, under CC BY 4.0; the file is that of scikit-learn 1.9.1.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).parent / "digits.csv.gz"
TRAINING = 1472
"""23 batches of 64; the other 325 are for validation."""
LARGEST = 16.0


def digit_images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pixels in [0, 1], [1797, 64], and labels [1797], always in the same shuffled order."""
    with gzip.open(FILE, "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")  # [1797, 65]
    table = table[np.random.default_rng(0).permutation(len(table))]
    return (table[:, :-1] / LARGEST).astype(np.float32), table[:, -1].astype(np.int64)
