"""The shop's worker: `dramatiq src.project.worker`, which is `dramatiq callboard.actors` with the settings of this project."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "src.project.settings")
os.environ.setdefault("CALLBOARD_ACTORS", "callboard.django.actors")

import callboard.actors

assert callboard.actors
