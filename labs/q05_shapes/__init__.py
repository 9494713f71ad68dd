"""Question 5: one forward pass, with the shape of every tensor."""

from labs.q05_shapes.xray import XRay

EXPERIMENTS = (XRay(),)
