"""Models of the user's own folder, which ``env.user_dir`` or ``MMF_USER_DIR`` names."""

import subprocess

import pytest

from tests.command_server import refnet
from tests.docs.snippets import snippets
from tests.plugin.conftest import PROJECTS, REPOSITORY

pytestmark = pytest.mark.mmf

FOLDER = "my_models"
TUTORIAL = REPOSITORY / "docs/tutorials/own-model.md"
RUN = ("run", "config=my_fusion.yaml", "dataset=hateful_memes")


@pytest.fixture(scope="module")
def trained(memes, tmp_path_factory):
    """The folder in which the tutorial's own model has been trained."""
    folder = tmp_path_factory.mktemp("own model")
    files = [part.code for part in snippets(TUTORIAL, "bash") if "cat > my_" in part.code]
    script = f"PROJECTS={PROJECTS}\n" + "\n".join(files).partition("refnet run")[0]
    subprocess.run(["bash", "-c", script], check=True, cwd=folder)
    (folder / "tiny").symlink_to(memes)
    done = refnet(
        *(*RUN, "model=refnet", f"env.user_dir={FOLDER}", "env.data_dir=tiny"),
        *("env.save_dir=save", "training.max_updates=4", "training.log_interval=2"),
        folder=folder,
    )
    assert done.code == 0, done.errors[-3000:]
    return folder


def test_checkpoints_of_such_a_model_are_embedded_and_exported(trained, tmp_path):
    known = {"MMF_USER_DIR": FOLDER}
    file = tmp_path / "stock.pth"
    for words in (
        ("embed", "save", "--split", "val", "--out", tmp_path / "x.npz"),
        ("export", "save", "--out", file),
    ):
        done = refnet(*words, folder=trained, environment=known)
        assert done.code == 0, done.errors
    for loaded in ({"environment": known}, {}):
        done = refnet(
            *(*RUN, "model=my_fusion", "env.data_dir=tiny", f"env.save_dir={tmp_path / 'again'}"),
            *("run_type=val", f"checkpoint.resume_file={file}"),
            *([] if loaded else [f"env.user_dir={FOLDER}"]),
            folder=trained,
            **loaded,
        )
        assert done.code == 0, done.errors[-3000:]
        assert "val/hateful_memes/cross_entropy" in done.output + done.errors


@pytest.mark.parametrize(
    "words", [("embed", "save", "--split", "val", "--out", "x"), ("export", "save", "--out", "x")]
)
def test_a_folder_that_is_not_named_is_asked_for(trained, words):
    done = refnet(*words, folder=trained)
    assert done.code == 1
    last = done.errors.strip().splitlines()[-1]
    assert "base: unknown model 'my_fusion'" in last
    place = trained / FOLDER
    assert last.endswith(f"the run had models of its own in {place}: set MMF_USER_DIR={place}")


def test_a_folder_that_can_t_be_imported_is_named(trained):
    (trained / "broken").mkdir(exist_ok=True)
    (trained / "broken" / "__init__.py").write_text("import nothing_of_this_name\n")
    data = ("model=refnet", "env.data_dir=tiny", "env.save_dir=other")
    for name, path, module in (
        ("nonsuch", "nonsuch", "nonsuch"),
        ("broken", trained / "broken", "nothing_of_this_name"),
    ):
        why = f"could not be imported (ModuleNotFoundError: No module named '{module}')"
        by_option = refnet(*RUN, *data, f"env.user_dir={name}", folder=trained)
        by_variable = refnet(
            *("export", "save", "--out", "x"), folder=trained, environment={"MMF_USER_DIR": name}
        )
        assert by_option.errors.strip().endswith(f"refnet run: env.user_dir={path}: {why}")
        assert by_variable.errors.strip().endswith(f"refnet export: MMF_USER_DIR={name}: {why}")
