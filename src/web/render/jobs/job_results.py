"""A job's result as a download, and the beginning of a large one."""

from __future__ import annotations

import json
import mmap

from flask import Response, send_file

from ....jobs import State
from ....jobs.core.errors import NotAllowed
from ....jobs.files import result_files
from ....operations.format.json_documents import dump
from ....operations.jobs.rows import Job

#: characters of a large result shown on the page
BEGINNING = 2_000


def send(job: Job) -> Response:
    """The result as JSON, streamed from its file if it has one. Raises NotAllowed without a result, ResultNotHere."""
    if job.state is not State.SUCCEEDED:
        raise NotAllowed(f"the job is {job.state}: only a succeeded job has a result")
    if job.result_file is None:
        return Response(dump(job.result), mimetype="application/json")
    path = result_files.path(job.result_file).resolve()
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            is_json = data.find(b"NaN") < 0 and data.find(b"Infinity") < 0
    except FileNotFoundError:
        is_json = False  # and read() says where it should be
    if not is_json:  # perhaps: the words may also be part of a text
        return Response(dump(json.loads(result_files.read(job.result_file))), mimetype="application/json")
    response = send_file(path, mimetype="application/json", download_name=f"{job.id}.json", max_age=None)
    response.headers["Cache-Control"] = "no-store"
    return response


def beginning(job: Job) -> str:
    """The beginning of a result file; empty if the file is not on this host."""
    if job.result_file is None:
        return ""
    try:
        with open(result_files.path(job.result_file), encoding="utf-8") as file:
            return file.read(BEGINNING)
    except OSError:
        return ""
