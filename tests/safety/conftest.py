"""The safety room cuts no power: its stores wait for no disk."""

from tests.unsynced import unsynced as unsynced
