"""Every provider as the conformance suite plays it. A further one joins by its module and a line here."""

from played import neso
from played.shape import Played

PLAYED: tuple[Played, ...] = (*neso.PLAYED,)
