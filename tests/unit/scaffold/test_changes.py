"""Changes: all of them or none, and nothing that is there is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.scaffold.changes import Changes
from toolkit.scaffold.errors import CannotWriteError, UneditableError

UNMOVABLE = "z" * 300
"""A name that no file can have: what is written beside it can't be moved there."""


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    """One file that is there, with a mode of its own."""
    (tmp_path / "m.py").write_text("one\n")
    (tmp_path / "m.py").chmod(0o640)
    return Changes(tmp_path)


def tree_of(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """All that is in it: modes and contents."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


def test_new_files_are_made_and_old_ones_changed(changes: Changes) -> None:
    """With the folders that they need; an old one keeps its mode."""
    changes.create("a/b/new.py", "new\n")
    changes.create("wheel", b"\xff\x00")
    changes.edit("m.py", "two\n")

    changes.apply()

    tree = tree_of(changes.root)
    assert tree["a/b/new.py"][1] == b"new\n"
    assert tree["wheel"][1] == b"\xff\x00"
    assert (tree["m.py"][0] & 0o777, tree["m.py"][1]) == (0o640, b"two\n")
    assert sorted(tree) == ["a", "a/b", "a/b/new.py", "m.py", "wheel"]


def test_it_can_be_looked_at_before(changes: Changes) -> None:
    """A tree of what is new and what changes, and the diff; nothing is written."""
    before = tree_of(changes.root)
    changes.create("a/new.py", "new\n")
    changes.create("wheel", b"\xff\x00")
    changes.edit("m.py", "one\ntwo")

    assert changes.tree().splitlines()[1:] == [
        "    a/",
        "    + new.py",
        "  ~ m.py",
        "  + wheel",
    ]
    assert changes.diff() == (
        "--- /dev/null\n+++ b/a/new.py\n@@ -0,0 +1 @@\n+new\n"
        "--- a/m.py\n+++ b/m.py\n@@ -1 +1,2 @@\n one\n+two\n"
        "+++ wheel (2 bytes)\n"
    )
    assert tree_of(changes.root) == before


def test_what_is_to_be_is_what_the_next_one_reads(changes: Changes) -> None:
    """Edits build on each other."""
    changes.edit("m.py", changes.text("m.py") + "two\n")
    changes.edit("m.py", changes.text("m.py") + "three\n")
    assert changes.text("m.py") == "one\ntwo\nthree\n"


def test_an_edit_that_changes_nothing_is_none(changes: Changes) -> None:
    changes.edit("m.py", "one\n")
    assert changes.paths == ()


def test_line_ends_stay_what_they_are(changes: Changes) -> None:
    """Of a file that came from Windows."""
    (changes.root / "m.py").write_bytes(b"one\r\ntwo\r\n")
    changes.edit("m.py", f"{changes.text('m.py')}three\n")
    changes.apply()
    assert (changes.root / "m.py").read_bytes() == b"one\r\ntwo\r\nthree\r\n"


@pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere"])
def test_what_is_there_is_never_replaced(changes: Changes, kind: str) -> None:
    """Everything that is in the way is named at once."""
    place = changes.root / "new.py"
    if kind == "file":
        place.write_text("mine")
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    before = tree_of(changes.root) if kind != "link to nowhere" else None
    changes.create("a.py", "")
    changes.create("new.py", "")
    changes.create("m.py", "")

    with pytest.raises(CannotWriteError) as refused:
        changes.apply()

    assert "new.py is there already" in str(refused.value)
    assert "m.py is there already" in str(refused.value)
    assert not (changes.root / "a.py").exists()
    assert before is None or tree_of(changes.root) == before


def test_a_file_where_a_folder_should_be_is_named(changes: Changes) -> None:
    """Once, however many files it stops."""
    changes.create("m.py/new.py", "")
    changes.create("m.py/more.py", "")
    with pytest.raises(CannotWriteError) as refused:
        changes.apply()
    assert str(refused.value).count("m.py is not a folder") == 1


def test_what_somebody_else_has_changed_meanwhile_stays(changes: Changes) -> None:
    changes.edit("m.py", "two\n")
    (changes.root / "m.py").write_text("theirs\n")
    with pytest.raises(CannotWriteError, match="changed by somebody else"):
        changes.apply()
    assert (changes.root / "m.py").read_text() == "theirs\n"


def test_what_can_not_be_read_is_named(changes: Changes) -> None:
    (changes.root / "m.py").write_bytes(b"\xff")
    with pytest.raises(UneditableError, match=r"m\.py can't be added to"):
        changes.text("m.py")


@pytest.mark.parametrize("place", ["", "a/", "n/"])
def test_a_failure_on_the_way_leaves_everything_as_it_was(changes: Changes, place: str) -> None:
    """The first, the middle or the last of the files can't get its name: an error of the disk."""
    before = tree_of(changes.root)
    changes.create(f"{place}{UNMOVABLE}", "")
    changes.create("a/b/new.py", "")
    changes.create("n/new.py", "")
    changes.edit("m.py", "two\n")

    with pytest.raises(CannotWriteError, match="nothing was written"):
        changes.apply()

    assert tree_of(changes.root) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from toolkit.scaffold.changes import Changes

changes = Changes(Path(sys.argv[1]))
changes.create("a/new.py", "new" * 1000)
changes.create("z.py", "new" * 1000)
changes.edit("m.py", "two" * 1000)
steps = int(sys.argv[2])

def count(event, args):
    global steps
    if event in ("open", "os.rename", "os.mkdir"):
        if not steps:
            os.kill(os.getpid(), signal.SIGKILL)
        steps -= 1

sys.addaudithook(count)
changes.apply()
"""


@pytest.mark.parametrize("steps", range(8))
def test_a_process_that_is_killed_on_the_way_leaves_no_half_of_a_file(
    changes: Changes, steps: int
) -> None:
    """Before each of the calls that change the disk."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(changes.root), str(steps)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -9
    assert (changes.root / "m.py").read_text() in ("one\n", "two" * 1000)
    for name in ("a/new.py", "z.py"):
        place = changes.root / name
        assert not place.exists() or place.read_text() == "new" * 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without the right")
@pytest.mark.parametrize("mode", [0o555, 0o1777])
def test_a_folder_that_may_not_be_written_to_is_named(changes: Changes, mode: int) -> None:
    """Read-only, or one where a file of somebody else can't be replaced; as a user, not as root."""
    for folder in (changes.root, *changes.root.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    (changes.root / "m.py").chmod(0o666)
    changes.root.chmod(mode)
    before = tree_of(changes.root)
    changes.create("a/new.py", "")
    changes.edit("m.py", "two\n")
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            changes.apply()
        except CannotWriteError as error:
            named = str(changes.root) in str(error) or "folder" in str(error)
            os._exit(0 if named else 2)
        except BaseException:  # noqa: BLE001 - the parent asks for the code
            os._exit(3)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tree_of(changes.root) == before
