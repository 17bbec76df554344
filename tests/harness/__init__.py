"""What tests share: real services, stores, processes, and ways to wait. No test lives here."""

from pathlib import Path

#: the checkout's root
ROOT = Path(__file__).resolve().parents[2]
