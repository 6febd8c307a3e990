"""The rules for MMF's main branch, 1.0.0rc12 and later."""

from refnet_mmf.porting import rules_common
from refnet_mmf.porting.rule import Rule

RULES = (
    Rule(
        ("mmf/datasets/builders/charades/_utils.py",),
        "from torchvision.io import read_video\n",
        """\

try:
    from torchvision.io import read_video
except ImportError:
    read_video = None
""",
        1,
        "current torchvision has no video reader; only Charades needs it, but nothing at all could "
        "be imported",
    ),
    Rule(
        ("mmf/utils/configuration.py",),
        """\
        try:
            import demjson
        except ImportError:
            logger.warning("demjson is required to use config_override")
            raise

        demjson_dict = demjson.decode(demjson_string)
""",
        """\
        demjson_dict = json.loads(demjson_string)
""",
        1,
        "demjson does not install on a current Python; --config_override takes JSON",
    ),
    Rule(
        ("mmf/utils/checkpoint.py",),
        "torch.load(",
        "_load_file(",
        4,
        rules_common.SAFE_LOAD,
    ),
    Rule(
        ("mmf/models/fusions.py",),
        "if isinstance(text, collections.abc.Sequence) and len(text) >= 2:",
        "if not isinstance(text, torch.Tensor) and len(text) >= 2:",
        1,
        "transformers 4 gives an object of named outputs where a tuple was, so that concat_bert "
        "and late_fusion took none but the encoders named bert-...",
    ),
    Rule(("mmf/configs/defaults.yaml",), ",}", ",''}", 5, rules_common.EMPTY_DEFAULT),
    Rule(
        ("mmf/utils/build.py",),
        'params = optimizer_config.get("params", {})',
        'params = OmegaConf.to_container(optimizer_config, resolve=True).get("params", {})',
        1,
        rules_common.PLAIN_OPTIMIZER,
    ),
    Rule(
        ("mmf/modules/losses.py",),
        'loss_name.startswith("multi")',
        'loss_name == "multi"',
        1,
        "any loss whose name starts with multi was taken for the built-in one named multi",
        "mend",
    ),
    Rule(
        ("mmf/utils/env.py",),
        "except ModuleNotFoundError:\n            dot_spec = None",
        "except ImportError:\n            dot_spec = None",
        1,
        "a user folder given with . or .. in its path stopped the run",
        "mend",
    ),
    Rule(
        ("mmf/trainers/core/training_loop.py",),
        """\
                if (
                    (idx + 1) % self.training_config.update_frequency
                    and num_remaining_batches != num_batches_for_this_update
                ):
""",
        """\
                if (
                    idx % self.training_config.update_frequency + 1
                    != num_batches_for_this_update
                ):
""",
        1,
        "with update_frequency above 1 an epoch's last update was made of its first batch alone, "
        "and the losses of the others were divided by 0",
        "mend",
    ),
    Rule(
        ("mmf/utils/distributed.py",),
        "dist.all_reduce(dummpy_tensor.cuda())",
        "dist.all_reduce(dummpy_tensor.cuda() if torch.cuda.is_available() else dummpy_tensor)",
        1,
        rules_common.RANKS_WITHOUT_GPU,
        "mend",
    ),
    *rules_common.RULES,
)
