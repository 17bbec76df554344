"""The shop's own tables; nothing here knows Callboard."""

from django.db import models


class Order(models.Model):
    article = models.CharField(max_length=100)
    pieces = models.IntegerField()
    state = models.CharField(max_length=16, default="new")
    thanked = models.BooleanField(default=False)

    class Meta:
        db_table = "orders"


class Job(models.Model):
    """An open position; the shop had a model of this name before Callboard came."""

    title = models.CharField(max_length=100)
