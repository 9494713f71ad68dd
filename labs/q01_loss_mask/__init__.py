"""Question 1: X, Y and the loss mask, on the real model and on models trained by wrong rules."""

from labs.q01_loss_mask.batch import Batch
from labs.q01_loss_mask.edit import Edit
from labs.q01_loss_mask.finetune import Finetune
from labs.q01_loss_mask.free_running import FreeRunning
from labs.q01_loss_mask.packing import Packing
from labs.q01_loss_mask.prefix import Prefix
from labs.q01_loss_mask.specimens import Specimens

EXPERIMENTS = (Batch(), Edit(), Prefix(), FreeRunning(), Specimens(), Finetune(), Packing())
