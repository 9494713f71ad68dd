"""Question 6: grouped-query attention. What sharing key/value heads saves in bytes, time and quality."""

from labs.q06_gqa.cache import Cache
from labs.q06_gqa.convert import Convert
from labs.q06_gqa.decode import Decode
from labs.q06_gqa.layer import Layer
from labs.q06_gqa.quality import Quality
from labs.q06_gqa.seeds import Seeds
from labs.q06_gqa.wiring import Wiring

EXPERIMENTS = (Decode(), Cache(), Wiring(), Layer(), Quality(), Convert(), Seeds())
