"""Question 5: one forward pass, with the shape of every tensor, and what every box of the drawing is for."""

EXPERIMENTS = (
    "xray",
    "own_text",
    "width",
    "causality",
    "attention",
    "rotation",
    "knockout",
    "flops",
    "timing",
    "activations",
    "first_loss",
    "double_softmax",
    "residual",
    "qk_norm",
)
