"""Question 14: an inference service. What a step takes, how many replicas keep the goal, and a real load."""

from labs.q14_serving.autoscaler import Autoscaler
from labs.q14_serving.batching import Batching
from labs.q14_serving.calibrate import Calibrate
from labs.q14_serving.live import Live
from labs.q14_serving.load import Load
from labs.q14_serving.simulate import Simulate

EXPERIMENTS = (Simulate(), Calibrate(), Load(), Live(), Batching(), Autoscaler())
