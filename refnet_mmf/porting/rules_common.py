"""The rules whose text stands in both lines of MMF."""

from refnet_mmf.porting.rule import Rule

_VOCAB = "mmf/utils/vocab.py"
_CONFIGURATION = "mmf/utils/configuration.py"
_CHECKPOINT = "mmf/utils/checkpoint.py"
_TORCHTEXT = "torchtext is retired; only pretrained word vectors need it (torchtext==0.6.0 serves)"
_DISTRIBUTED = "mmf/utils/distributed.py"
_RUN = "mmf_cli/run.py"
_ONE_GPU_FOR_ALL = (
    "under torchrun, and under SLURM with a task for each GPU, all ranks of a machine took its "
    "first GPU"
)
_KEY_MISSING = "omegaconf 2.1 raises where a key is missing, 2.0 gave None"
SAFE_LOAD = (
    "checkpoints are loaded as tensors, plain containers and configurations; what needs more has "
    "to be trusted with MMF_TRUST_CHECKPOINTS=1"
)
PLAIN_OPTIMIZER = (
    "lists of the configuration went into the optimizer and from there into every checkpoint, "
    "which torch then refused to load as plain data"
)
RANKS_WITHOUT_GPU = "several ranks could not run on a machine without a GPU, which gloo serves"
EMPTY_DEFAULT = "omegaconf 2.1 wants empty defaults in quotes, and warns of each at every start"

RULES = (
    Rule((_VOCAB,), "from torchtext import vocab\n", "", 1, _TORCHTEXT),
    Rule(
        (_VOCAB,),
        '        self.type = "intersected"\n',
        '        from torchtext import vocab\n\n        self.type = "intersected"\n',
        1,
        _TORCHTEXT,
    ),
    Rule(
        (_VOCAB,),
        '        self.type = "pretrained"\n',
        '        from torchtext import vocab\n\n        self.type = "pretrained"\n',
        1,
        _TORCHTEXT,
    ),
    Rule(
        (_CONFIGURATION,),
        "self.config_path = opts.config\n",
        'self.config_path = opts.get("config", None)\n',
        1,
        _KEY_MISSING,
    ),
    Rule(
        (_CONFIGURATION,),
        "model = config.model\n",
        'model = config.get("model", None)\n',
        1,
        _KEY_MISSING,
    ),
    Rule(
        (_CHECKPOINT,),
        "import os\nimport sys\n",
        "import collections\nimport os\nimport pickle\nimport sys\nimport typing\n",
        1,
        SAFE_LOAD,
    ),
    Rule(
        (_CHECKPOINT,),
        "def _hack_imports():\n",
        """\
def _load_file(file, map_location):
    import omegaconf
    from mmf.utils.general import lr_lambda_update

    trusted = os.environ.get("MMF_TRUST_CHECKPOINTS") == "1"
    plain = [
        collections.defaultdict,
        dict,
        int,
        list,
        lr_lambda_update,
        omegaconf.DictConfig,
        omegaconf.ListConfig,
        omegaconf.base.ContainerMetadata,
        omegaconf.base.Metadata,
        omegaconf.nodes.AnyNode,
        typing.Any,
    ]
    try:
        with torch.serialization.safe_globals(plain):
            return torch.load(file, map_location=map_location, weights_only=not trusted)
    except pickle.UnpicklingError as error:
        raise RuntimeError(
            f"{getattr(file, 'name', file)}: damaged, or it holds objects that run code when "
            "they are loaded; if you trust where it comes from, set MMF_TRUST_CHECKPOINTS=1"
        ) from error


def _hack_imports():
""",
        1,
        SAFE_LOAD,
    ),
    Rule(
        (_CONFIGURATION,),
        "if isinstance(current[stripped_field], collections.abc.Mapping):",
        "if idx < len(splits) - 1 and isinstance(\n"
        "                current[stripped_field], collections.abc.Mapping\n"
        "            ):",
        1,
        "an override on the command line that sets a whole block was dropped without a word",
        "mend",
    ),
    Rule(
        ("mmf/utils/env.py",),
        "    if seed:\n",
        "    if seed is not None:\n",
        1,
        "training.seed=0 seeded nothing",
        "mend",
    ),
    Rule(
        (_DISTRIBUTED,),
        "dist.is_nccl_available()",
        "dist.is_available()",
        3,
        RANKS_WITHOUT_GPU,
        "mend",
    ),
    Rule(
        (_DISTRIBUTED,),
        "backend=config.distributed.backend,",
        'backend=config.distributed.backend if torch.cuda.is_available() else "gloo",',
        1,
        RANKS_WITHOUT_GPU,
        "mend",
    ),
    Rule((_RUN,), "import random\n", "import os\nimport random\n", 1, _ONE_GPU_FOR_ALL, "mend"),
    Rule(
        (_RUN,),
        "distributed_main(0, configuration, predict)",
        """\
local_rank = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0
            device_id = int(local_rank) % max(torch.cuda.device_count(), 1)
            distributed_main(device_id, configuration, predict)""",
        1,
        _ONE_GPU_FOR_ALL,
        "mend",
    ),
    Rule(
        ("mmf/utils/early_stopping.py",),
        """\
            self.best_monitored_iteration = load["best_iteration"]
""",
        """\
            self.best_monitored_iteration = load["best_iteration"]

        if "best_update" in load:
            self.best_monitored_update = load["best_update"]
""",
        1,
        "a resumed run forgot its best update, and early stopping counted its patience from 0",
        "mend",
    ),
    Rule(
        (_CONFIGURATION,),
        """\
            warning = f"No model named '{model}' has been registered"
            warnings.warn(warning)
            return OmegaConf.create()
""",
        """\
            from difflib import get_close_matches

            near = get_close_matches(model, registry.mapping["model_name_mapping"])
            raise SystemExit(
                f"mmf: model={model}: no such model is registered; near it: {near or 'none'} "
                "(a plugin's models are there once it is loaded: env.user_dir=PACKAGE)"
            )
""",
        1,
        "a model's name that is not registered was only warned of, and the run went on to a "
        "traceback elsewhere",
        "mend",
    ),
)
