"""Progress lines of both of MMF's lines are read."""

from refnet_mmf.experiments.mmf_log import curve, last_values, read_progress

LINES = """
INFO | mmf.train : progress: 1/4, train/total_loss: 0.7158, train/x/r2: -5.7, lr: 0., eta: 394ms
\x1b[32mmmf.trainers: \x1b[0mprogress: 2/4, val/x/roc_auc: 0.5, val/total_loss: nan
something else
progress: 4/4, train/total_loss: 1e-05, train/x/r2: 0.25
progress: 2/4, val/x/roc_auc: 0.75
progress: 2/4, test/x/roc_auc: 0.6, test/x/accuracy: 1.0000
""".splitlines()


def test_numbers_are_read_by_mmf_s_keys():
    first, second, *_ = read_progress(LINES)
    assert (first.update, first.updates) == (1, 4)
    assert first.values == {"train/total_loss": 0.7158, "train/x/r2": -5.7}
    assert second.values["val/x/roc_auc"] == 0.5 and second.values["val/total_loss"] != 0


def test_the_last_line_of_a_split_is_the_best_checkpoint_s():
    progress = list(read_progress(LINES))
    assert last_values(progress, "val") == {"val/x/roc_auc": 0.75}
    assert last_values(progress, "test")["test/x/accuracy"] == 1
    assert last_values(progress, "none") == {}


def test_a_curve_ends_where_training_does():
    progress = list(read_progress(LINES))
    assert curve(progress, "train/total_loss") == ([1, 4], [0.7158, 1e-5])
    assert curve(progress, "val/x/roc_auc") == ([2], [0.5])


def test_a_resumed_part_joins_the_curve_where_its_window_is_full():
    """MMF's medians begin anew with a part: its first lines are of fewer batches."""
    first = [f"progress: {update}/120, train/total_loss: 1.0" for update in range(10, 60, 10)]
    second = [f"progress: {update}/120, train/total_loss: 2.0" for update in range(30, 121, 10)]
    ended = "progress: 40/120, val/total_loss: 3.0"
    progress = list(read_progress([*first, *second, ended]))
    every = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]
    assert curve(progress, "train/total_loss") == (every, [1.0] * 5 + [2.0] * 7)
    after_ctrl_c = ["Starting training...", *first, "Starting training...", *second[3:]]
    later = [update for update in every if update not in (60, 70, 80, 90)]
    assert curve(read_progress(after_ctrl_c), "train/total_loss", window=5)[0] == later
    joined = [10, 20, 30, 40, 50, 70, 80, 90, 100, 110, 120]
    assert curve(progress, "train/total_loss", window=5) == (joined, [1.0] * 5 + [2.0] * 6)
