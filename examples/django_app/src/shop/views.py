"""The shop's views."""

import callboard
from callboard.django import submit
from django.db import transaction
from django.http import HttpRequest, HttpResponseBadRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .actors import pack
from .models import Order
from .tasks import thank


@csrf_exempt
@require_POST
def place(request: HttpRequest) -> HttpResponseBase:
    """Store the order, its job and its task in one transaction: all exist, or none."""
    with transaction.atomic():
        order = Order.objects.create(article=request.POST["article"], pieces=int(request.POST["pieces"]))
        job = submit(pack.message(order.id))
        task = thank.enqueue(order.id)
        if order.pieces < 1:
            transaction.set_rollback(True)  # takes the order, the job and the task back
            return HttpResponseBadRequest("at least one piece")
    return JsonResponse({"order": order.id, "job": job.id, "task": task.id}, status=201)


def show(request: HttpRequest, id: int) -> HttpResponseBase:
    order = get_object_or_404(Order, id=id)
    return JsonResponse({"state": order.state, "thanked": order.thanked})


def result(request: HttpRequest, id: str) -> HttpResponseBase:
    """Wait for the job's result."""
    handle = callboard.job(id)
    return JsonResponse({"result": handle.wait(timeout=30), "state": handle.state})
