"""Two runs never train in one folder."""

import subprocess
import sys

import pytest

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.run_lock import RunLock

pytestmark = pytest.mark.mmf
HOLD = """
import sys
from pathlib import Path
from refnet_mmf.plugin.run_lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that trains in ``tmp_path``."""
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_folder_in_which_a_process_trains_is_refused_with_its_number(holder, tmp_path):
    with pytest.raises(RefnetError, match=rf"env.save_dir: .*another run .*process {holder.pid}\)"):
        RunLock(tmp_path)


def test_a_process_that_was_killed_holds_nothing(holder, tmp_path):
    holder.kill()
    holder.wait()
    RunLock(tmp_path).release()


def test_one_process_may_train_there_again_and_others_after_it(tmp_path):
    RunLock(tmp_path).release()
    lock = RunLock(tmp_path)
    lock.release()
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    done = subprocess.run(words, input="", capture_output=True, text=True, check=True)
    assert done.stdout == "held\n"


def test_a_second_run_is_refused_before_it_writes(holder, mmf_run, tmp_path):
    run = mmf_run(f"env.save_dir={tmp_path}")
    assert run.code != 0
    assert "another run trains there" in run.output.strip().splitlines()[-1]
    assert not list(tmp_path.rglob("*.ckpt"))
