"""Simulation: the same engine with another gateway, through which nothing leaves."""

from runs.simulation.gateway import Gateway, Touched
from runs.simulation.loop import simulate
from runs.simulation.permits import Permits
from runs.simulation.results import Simulation
from runs.simulation.testing import PROBE, ContractBreach, Tested, run_test, try_out

__all__ = [
    "PROBE",
    "ContractBreach",
    "Gateway",
    "Permits",
    "Simulation",
    "Tested",
    "Touched",
    "run_test",
    "simulate",
    "try_out",
]
