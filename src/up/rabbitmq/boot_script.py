"""Boot script of the private node: it loads RabbitMQ's modules in batches.

RabbitMQ asks each module of its applications for boot steps and feature flags, so that a start loads all of them anyway, about a thousand. Without
the boot script Erlang loads them one by one, and looks for each in up to ninety folders: half the time of a start. The script belongs to the
installed modules, and is written again when a package has changed them. Where none can be written, RabbitMQ starts as it would by itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

#: grace in seconds for writing one, which takes half a second of CPU; a machine that needs longer does without
TIMEOUT_S = 10.0
#: RabbitMQ's scripts read it after their defaults; without it, they read /etc/rabbitmq/rabbitmq-env.conf
VARIABLES = Path("conf", "rabbitmq-env.conf")

# The script that RabbitMQ uses otherwise, with instructions to load the modules of RabbitMQ, its enabled plugins and what they need, put
# before the instruction after which modules are loaded on demand, a few at a time: all of RabbitMQ's at once leave the node 20 MB larger.
# Arguments: the file to write, and the list of enabled plugins.
_ERLANG = """
[Out, Plugins] = init:get_plain_arguments(),
{ok, [Enabled]} = file:consult(Plugins),
Close = fun Close(App, Seen) ->
  case lists:member(App, Seen) orelse application:load(App) of
    true -> Seen;
    Loaded when Loaded =:= ok; element(1, element(2, Loaded)) =:= already_loaded ->
      {ok, Needed} = application:get_key(App, applications),
      lists:foldl(Close, [App | Seen], Needed);
    _ -> Seen
  end
end,
Apps = lists:foldl(Close, [], [rabbit, rabbitmq_prelaunch | Enabled]),
{ok, Default} = file:read_file(filename:join([code:root_dir(), "bin", "start_sasl.boot"])),
{script, Name, Commands} = binary_to_term(Default),
Known = lists:append([Modules || {Verb, Modules} <- Commands, Verb =:= primLoad orelse Verb =:= preLoaded]),
Split = fun Split([]) -> []; Split(Modules) -> {Some, Others} = lists:split(min(8, length(Modules)), Modules), [{primLoad, Some} | Split(Others)] end,
Load = [[{path, [Folder]} | Split(Found)] ||
  App <- Apps,
  Folder <- [code:lib_dir(App, ebin)], is_list(Folder),
  {ok, Modules} <- [application:get_key(App, modules)],
  Found <- [[Module || Module <- Modules -- Known, filelib:is_regular(filename:join(Folder, atom_to_list(Module) ++ ".beam"))]],
  Found =/= []],
{Before, [First | After]} = lists:splitwith(fun(Command) -> Command =/= {kernel_load_completed} end, Commands),
ok = file:write_file(Out, term_to_binary({script, Name, Before ++ lists:append(Load) ++ [First | After]})),
halt().
"""


def use(folder: Path, launcher: Path, environment: Mapping[str, str]) -> None:
    """Let the node in `folder` start with a boot script for the modules beside its `launcher`, written if there is none."""
    erl = shutil.which("erl", path=environment["PATH"])
    plugins = launcher.parent.parent / "plugins"
    try:
        name = _written(folder, Path(erl).resolve(), plugins, environment) if erl and plugins.is_dir() else None
    except (OSError, subprocess.SubprocessError):
        name = None
    (folder / VARIABLES).write_text(f"SASL_BOOT_FILE={name}\n" if name else "")


def _written(folder: Path, erl: Path, plugins: Path, environment: Mapping[str, str]) -> str:
    """Return its name within the folder without the suffix, as `erl -boot` expects it; raises OSError or SubprocessError if it cannot be written."""
    enabled = Path("conf", "enabled_plugins")
    state = [(folder / enabled).read_text(), *_states(plugins), *_states(erl.parent.parent / "lib")]
    name = f"conf/modules-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}"
    script = folder / f"{name}.boot"
    if script.exists():
        return name
    for old in folder.glob("conf/modules-*"):
        old.unlink()
    command = [str(erl), "-noinput", "-boot", "start_clean", "-eval", _ERLANG, "-extra", f"{name}.part", str(enabled)]
    subprocess.run(
        command,
        cwd=folder,
        env={**environment, "ERL_LIBS": str(plugins), "ERL_CRASH_DUMP_SECONDS": "0"},  # 0: no dump where it fails
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    with open(folder / f"{name}.part", "rb") as part:
        os.fsync(part.fileno())  # a power cut must not leave an empty one, with which no node starts
    (folder / f"{name}.part").rename(script)
    return name


def _states(libraries: Path) -> Iterator[str]:
    """The folders of modules, and when a package last changed each."""
    for modules in sorted(libraries.glob("*/ebin")):
        yield f"{modules} {modules.stat().st_mtime_ns}"
