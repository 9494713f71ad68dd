"""Question 5: one forward pass, with the shape of every tensor, and what every box of the drawing is for."""

from labs.q05_shapes.activations import Activations
from labs.q05_shapes.attention import Attention
from labs.q05_shapes.causality import Causality
from labs.q05_shapes.double_softmax import DoubleSoftmax
from labs.q05_shapes.first_loss import FirstLoss
from labs.q05_shapes.flops import Flops
from labs.q05_shapes.knockout import Knockout
from labs.q05_shapes.own_text import OwnText
from labs.q05_shapes.qk_norm import QKNorm
from labs.q05_shapes.residual import Residual
from labs.q05_shapes.rotation import Rotation
from labs.q05_shapes.timing import Timing
from labs.q05_shapes.width import Width
from labs.q05_shapes.xray import XRay

EXPERIMENTS = (
    XRay(),
    OwnText(),
    Width(),
    Causality(),
    Attention(),
    Rotation(),
    Knockout(),
    Flops(),
    Timing(),
    Activations(),
    FirstLoss(),
    DoubleSoftmax(),
    Residual(),
    QKNorm(),
)
