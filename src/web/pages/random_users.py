"""/users: random users of the demo actor, and the form that creates them."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from ...actors.accounts import UserAccount, create_random_user_accounts
from ...jobs.read import queries
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow, visitor
from ..forms.job_form import Form

blueprint = Blueprint("users", __name__)

ROWS = 100
ACTOR = create_random_user_accounts.actor_name


@blueprint.get("/users")
@allow(Role.VIEWER)
def index() -> str:
    """List the users, newest first, below the progress of the running job."""
    after = read_filter(request.args).after
    with database.read() as session:
        newest = select(UserAccount).order_by(UserAccount.id.desc()).limit(ROWS + 1)
        users = session.execute(newest if after is None else newest.where(UserAccount.id < after)).scalars().all()
        total = session.execute(select(func.count()).select_from(UserAccount)).scalar_one()
        job = queries.find(session, request.args.get("job", ""))
    next = users[ROWS - 1].id if len(users) > ROWS else None
    return render_template("users/index.html", users=users[:ROWS], total=total, next=next, job=job)


@blueprint.get("/users/new")
@allow(Role.VIEWER)
def new() -> str:
    """The form for the number of users."""
    return render_template("users/new.html", form=Form.of(ACTOR))


@blueprint.post("/users/new")
@allow(Role.SUBMITTER, action="job.submit")
def create() -> Response | tuple[str, int]:
    """Submit the form: redirect to the list, or show the errors."""
    outcome = Form.of(ACTOR).submit(request.form, by=visitor())
    if isinstance(outcome, Form):
        return render_template("users/new.html", form=outcome), 422
    flash("We are generating your random users!", "success")
    return redirect(url_for("users.index", job=outcome.id), 303)
